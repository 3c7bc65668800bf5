"""Regenerate the golden cases of the speech scorers from jiwer, pesq, pystoi and statsmodels; CI diffs the result.

Usage: python scripts/make_speech_cases.py [folder [scorer ...]]
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "tests" / "cases" / "scorers"
MEDIA = FOLDER.parent / "media"
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


def sound(name: str, rate: int) -> Any:
    """A recording of tests/cases/media at another rate."""
    import math

    import soundfile
    from scipy.signal import resample_poly

    found, own = soundfile.read(MEDIA / name, dtype="float32")
    shared = math.gcd(own, rate)
    return found if own == rate else resample_poly(found, rate // shared, own // shared)


def compared(name: str, spec: str, measure: Callable[[Any, Any], float], rate: int) -> dict[str, Any]:
    """A case of a scorer that compares a recording with another one, in noise and with itself."""
    items, scores = [], []
    for heard in ("digits_noisy.flac", "digits.flac"):
        items.append({"target": {"$file": "digits.flac"}, "output": {"$file": heard}})
        # The last digits of a sum of float32 vectors depend on where they lie in memory.
        found = float(f"{float(measure(sound('digits.flac', rate), sound(heard, rate))):.13g}")
        scores.append({spec.partition("(")[0]: found})
    return {"name": name, "spec": spec, "items": items, "scores": scores}


def pesq_cases() -> list[dict[str, Any]]:
    """Both bands."""
    from pesq import pesq

    return [
        compared("wide band", "pesq", lambda gold, heard: pesq(16_000, gold, heard, "wb"), 16_000),
        compared("narrow band", "pesq(band='narrow')", lambda gold, heard: pesq(8_000, gold, heard, "nb"), 8_000),
    ]


def stoi_cases() -> list[dict[str, Any]]:
    """Plain and extended."""
    from pystoi import stoi

    return [
        compared("stoi", "stoi", lambda gold, heard: stoi(gold, heard, 10_000), 10_000),
        compared("estoi", "stoi(extended=True)", lambda gold, heard: stoi(gold, heard, 10_000, extended=True), 10_000),
    ]


def mos_cases() -> list[dict[str, Any]]:
    """Votes of a fully crossed design: the interval from the mean squares of a two-way analysis of variance."""
    import numpy as np
    import pandas as pd
    from scipy.stats import t
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    table = pd.read_csv(MEDIA / "ratings_simulated.csv", dtype={"output": str})
    squares = anova_lm(ols("score ~ C(rater) + C(output)", table).fit())["mean_sq"]
    count = len(table)
    se = np.sqrt((squares["C(rater)"] + squares["C(output)"] - squares["Residual"]) / count)
    mean = table["score"].mean()
    reach = se * t.ppf(0.975, min(table["rater"].nunique(), table["output"].nunique()) - 1)
    items = [{"output": f"take {number}"} for number in range(1, 9)]
    ratings = "tests/cases/media/ratings_simulated.csv"
    # Every item is sample s1 in the tests, so the file says so too; the output tells the stimuli apart.
    found = {"mos": value(mean), "mos_low": value(mean - reach), "mos_high": value(mean + reach), "mos_rated": 1.0}
    return [{"name": "crossed", "spec": f"mos(ratings={ratings!r})", "items": items, "value": found}]


def predicted_cases() -> list[dict[str, Any]]:
    """DNSMOS as the package runs it; it takes half a minute, so it is made when it is named."""
    from speechmos import dnsmos

    names = {"": "ovrl_mos", "_signal": "sig_mos", "_background": "bak_mos", "_p808": "p808_mos"}
    items, scores = [], []
    for name in ("digits.flac", "digits_noisy.flac"):
        found = dnsmos.run(sound(name, 16_000), sr=16_000)
        items.append({"output": {"$file": name}})
        scores.append({f"predicted_mos{end}": float(f"{float(found[field]):.13g}") for end, field in names.items()})
    return [{"name": "digits", "spec": "predicted_mos", "items": items, "scores": scores}]


MADE: dict[str, tuple[str, Callable[[], list[dict[str, Any]]]]] = {
    **{name: ("jiwer", partial(cases, name)) for name in ("wer", "cer", "mer", "wil")},
    "pesq": ("pesq", pesq_cases),
    "stoi": ("pystoi", stoi_cases),
    "mos": ("statsmodels", mos_cases),
    "predicted_mos": ("speechmos", predicted_cases),
}
SLOW = {"predicted_mos"}


def main(folder: Path, names: list[str]) -> None:
    """Write one file per scorer; without names, all that take no long time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or sorted(MADE.keys() - SLOW):
        library, made = MADE[name]
        made_by = {"library": library, "version": version(library), "command": COMMAND}
        text = json.dumps({"made_by": made_by, "cases": made()}, ensure_ascii=False)
        text = text.replace('{"name": ', '\n{"name": ').replace('}, {"target"', '},\n {"target"')
        (folder / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, sys.argv[2:])
