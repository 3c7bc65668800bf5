"""Regenerate the golden cases of the speech scorers from jiwer; CI diffs the result.

Usage: python scripts/make_speech_cases.py [folder]
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "tests" / "cases" / "scorers"
COMMAND = "python scripts/make_speech_cases.py"
Pair = tuple[str, str]

TOLD = """
the harbour master wrote down every ship that came in after dusk and the gulls ate what the cooks threw overboard
"""
WORDS = TOLD.split()
EDGES: list[Pair] = [
    ("", ""),
    ("", "thank you for watching"),
    ("stop", ""),
    ("a", "a"),
    ("a b", "b a"),
    ("one two three four", "two three four five"),
    ("no", "no no no no"),
    ("naïve café 東京", "naive café 京都"),
    ("हिन्दी की किताब", "हिन्दी का किताब"),
    ("I'm here", "I am here"),
]
WRITTEN: list[Pair] = [
    ("Mr. Hale's colour TV cost $20.", "mister hales color tv cost twenty dollars"),
    ("Um, it's twenty-one degrees, isn't it?", "It is 21 degrees isn't it"),
    ("[applause] We won't go!", "we will not go"),
]


def mangled(seed: int, n: int) -> list[Pair]:
    """References of 1 to 14 words with words dropped, changed, put in and doubled."""
    drawn = random.Random(seed)
    pairs = []
    for _ in range(n):
        words = drawn.choices(WORDS, k=drawn.randint(1, 14))
        said: list[str] = []
        for word in words:
            kind = drawn.random()
            if kind < 0.1:
                continue
            said.append(drawn.choice(WORDS) if kind < 0.25 else word)
            if kind > 0.9:
                said.append(drawn.choice(WORDS))
        pairs.append((" ".join(words), " ".join(said)))
    return pairs


def cleaned(normaliser: str) -> Callable[[str], str]:
    """The normalisers, from their libraries; `basic` from its definition, for texts with ASCII punctuation."""
    if normaliser == "whisper_english":
        from whisper_normalizer.english import EnglishTextNormalizer

        return EnglishTextNormalizer()  # type: ignore[no-any-return]
    if normaliser == "whisper_basic":
        from whisper_normalizer.basic import BasicTextNormalizer

        return BasicTextNormalizer()  # type: ignore[no-any-return]
    return str


def value(number: Any) -> float:
    """Twelve significant digits: the same on every machine."""
    return float(f"{float(number):.12g}")


def rates(name: str, references: list[str], hypotheses: list[str]) -> dict[str, float]:
    """The rate of a corpus by jiwer, with its shares of substitutions, deletions and insertions."""
    import jiwer

    process = jiwer.process_characters if name == "cer" else jiwer.process_words
    found = process(references, hypotheses)
    rate = {name: value(getattr(found, name))}
    if name in ("mer", "wil"):
        return rate
    units = found.hits + found.substitutions + found.deletions
    shares = {kind: value(getattr(found, kind) / (units or 1)) for kind in ("substitutions", "deletions", "insertions")}
    return {**rate, **{f"{name}_{kind}": share for kind, share in shares.items()}}


def cases(name: str) -> list[dict[str, Any]]:
    """A corpus, edges utterance by utterance, and each of Whisper's normalisers."""
    found = []
    for told, normaliser, pairs in [
        ("corpus", "none", mangled(11, 90)),
        ("edges", "none", EDGES),
        ("whisper_english", "whisper_english", WRITTEN),
        ("whisper_basic", "whisper_basic", WRITTEN),
    ]:
        clean = cleaned(normaliser)
        plain = [tuple(" ".join(clean(text).split()) for text in pair) for pair in pairs]
        case: dict[str, Any] = {
            "name": told,
            "spec": f"{name}(normaliser={normaliser!r})",
            "items": [{"target": reference, "output": said} for reference, said in pairs],
            "value": rates(name, [one for one, _ in plain], [one for _, one in plain]),
        }
        if told != "corpus":
            case["scores"] = [rates(name, [one], [other]) for one, other in plain]
        found.append(case)
    return found


def main(folder: Path) -> None:
    """Write one file per scorer."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("wer", "cer", "mer", "wil"):
        made_by = {"library": "jiwer", "version": version("jiwer"), "command": COMMAND}
        text = json.dumps({"made_by": made_by, "cases": cases(name)}, ensure_ascii=False)
        text = text.replace('{"name": ', '\n{"name": ').replace('}, {"target"', '},\n {"target"')
        (folder / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
