"""Regenerate the golden cases of `anls` with rapidfuzz; CI diffs the result.

Usage: python scripts/make_vision_cases.py [folder]
"""

from __future__ import annotations

import json
import random
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein

FOLDER = Path(__file__).parents[1] / "tests" / "cases" / "scorers"
GOLDS = [
    "Marsh End Primary School", "12 June 2024", "1,306", "Zofia Wrona", "4 East", "roster_may.xlsx", "Bäckerei Lindner",
    "+48 22 555 0190", "limit exceeded", "0x8F21", "Gnocchi", "São Brás", "A",
]  # fmt: skip


def garbled(text: str, rng: random.Random, rate: float) -> str:
    """A text as an OCR engine may read it: letters replaced, lost and doubled."""
    kept = []
    for letter in text:
        drawn = rng.random()
        kept.append(
            rng.choice("O0l1Ii ") if drawn < rate / 2 else "" if drawn < rate * 0.75 else letter * (1 + (drawn < rate))
        )
    return "".join(kept)


def score(golds: list[str], answer: str, threshold: float, *, fold: bool = True) -> float:
    """ANLS of one answer by its definition, with the library's distance."""
    plain = [" ".join((text.lower() if fold else text).split()) for text in (answer, *golds)]
    longest = [max(len(plain[0]), len(gold)) for gold in plain[1:]]
    far = min(
        Levenshtein.distance(plain[0], gold) / n if n else 0.0 for gold, n in zip(plain[1:], longest, strict=True)
    )
    return float(f"{1 - far if far < threshold else 0.0:.12g}")


def cases() -> list[dict[str, Any]]:
    """Answers from right to garbled beyond recognition, padded ones, several golds, another threshold."""
    rng = random.Random(11)
    plain = [([gold], garbled(gold, rng, rate)) for gold in GOLDS for rate in (0.0, 0.2, 0.6)]
    padded = [(golds, f" \n {answer}\t ") for golds, answer in plain]
    several = [(rng.sample(GOLDS, 3), garbled(rng.choice(GOLDS), rng, 0.15)) for _ in range(20)]
    shapes = [
        ("garbled answers", "anls", plain, 0.5, True),
        ("padded answers score the same", "anls", padded, 0.5, True),
        ("several targets", "anls", several, 0.5, True),
        ("another threshold", "anls(threshold=0.2)", plain, 0.2, True),
        ("with case", "anls(ignore_case=False)", [(g, a.upper()) for g, a in plain], 0.5, False),
    ]
    return [
        {
            "name": name,
            "spec": spec,
            "items": [{"target": golds[0] if len(golds) == 1 else golds, "output": answer} for golds, answer in pairs],
            "scores": [{"anls": score(golds, answer, threshold, fold=fold)} for golds, answer in pairs],
        }
        for name, spec, pairs, threshold, fold in shapes
    ]


def main(folder: Path) -> None:
    """Write the file."""
    folder.mkdir(parents=True, exist_ok=True)
    made_by = {
        "library": "rapidfuzz",
        "version": version("rapidfuzz"),
        "command": "python scripts/make_vision_cases.py",
    }
    text = json.dumps({"made_by": made_by, "cases": cases()}, ensure_ascii=False)
    text = text.replace('{"name": ', '\n{"name": ').replace('}, {"target"', '},\n {"target"')
    (folder / "anls.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
