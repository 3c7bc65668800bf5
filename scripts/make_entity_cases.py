"""Regenerate the golden cases of entity scoring with seqeval; CI diffs the result.

Usage: python scripts/make_entity_cases.py [folder]
"""

from __future__ import annotations

import json
import random
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "tests" / "cases" / "scorers"
COMMAND = "python scripts/make_entity_cases.py"
TYPES = ("place", "date", "money")
Case = dict[str, Any]
Tags = list[str]


def value(number: Any) -> float:
    """Twelve significant digits: the same on every machine."""
    return float(f"{float(number):.12g}")


def sequence(drawn: random.Random, length: int) -> Tags:
    """Valid IOB2 tags."""
    tags: Tags = []
    while len(tags) < length:
        if drawn.random() < 0.5:
            tags.append("O")
        else:
            of = drawn.choice(TYPES)
            tags += [f"B-{of}"] + [f"I-{of}"] * drawn.randint(0, 2)
    return tags[:length]


def spoilt(drawn: random.Random, tags: Tags) -> Tags:
    """Tags with single ones changed: wrong types, broken borders, an I- without its B-."""
    every = ["O", *(f"{mark}-{of}" for mark in "BI" for of in TYPES)]
    return [drawn.choice(every) if drawn.random() < 0.2 else tag for tag in tags]


def folded(truth: list[Tags], guess: list[Tags], *, strict: bool) -> dict[str, float]:
    """What seqeval says about a corpus."""
    from seqeval.metrics import f1_score, precision_score, recall_score
    from seqeval.scheme import IOB2

    how = {"mode": "strict", "scheme": IOB2} if strict else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "entity_f1": value(f1_score(truth, guess, **how)),
            "entity_precision": value(precision_score(truth, guess, **how)),
            "entity_recall": value(recall_score(truth, guess, **how)),
            "entity_macro_f1": value(f1_score(truth, guess, average="macro", **how)),
        }


def spans(tags: Tags) -> list[dict[str, Any]]:
    """The entities of tags in characters, each token being three long; seqeval finds them."""
    from seqeval.scheme import IOB2, Entities

    (found,) = Entities([tags], IOB2).entities
    return [{"type": e.tag, "start": 3 * e.start, "end": 3 * e.end - 1} for e in found]


def cases() -> list[Case]:
    """Random tags under both rules, the same as character spans, and corpora with one type or none right."""
    drawn = random.Random(11)
    truth = [sequence(drawn, drawn.randint(3, 14)) for _ in range(60)]
    guess = [spoilt(drawn, tags) for tags in truth]
    made = []
    for name, spec, strict in (
        ("strict tags", "entity_f1", True),
        ("lenient tags", "entity_f1(tags='lenient')", False),
    ):
        items = [{"target": t, "output": {"tags": g}} for t, g in zip(truth, guess, strict=True)]
        made.append({"name": name, "spec": spec, "items": items, "value": folded(truth, guess, strict=strict)})
    items = [
        {"input": {"text": "ab " * len(t)}, "target": spans(t), "output": json.dumps({"entities": spans(g)})}
        for t, g in zip(truth, guess, strict=True)
    ]
    made.append({"name": "spans", "spec": "entity_f1", "items": items, "value": folded(truth, guess, strict=True)})
    few = [["B-date", "O"], ["O", "O"], ["B-place", "I-place"]]
    for name, said in (
        ("all right", few),
        ("none found", [["O"] * 2] * 3),
        ("only wrong ones", [["O", "B-date"], ["O", "B-money"], ["B-place", "O"]]),
    ):
        items = [{"target": t, "output": g} for t, g in zip(few, said, strict=True)]
        made.append({"name": name, "spec": "entity_f1", "items": items, "value": folded(few, said, strict=True)})
    return made


def main(folder: Path) -> None:
    """Write the file."""
    folder.mkdir(parents=True, exist_ok=True)
    made_by = {"library": "seqeval", "version": version("seqeval"), "command": COMMAND}
    text = json.dumps({"made_by": made_by, "cases": cases()}, ensure_ascii=False)
    for mark in ('{"name": ', '{"target": ', '{"input": '):
        text = text.replace(mark, f"\n{mark}")
    (folder / "entity_f1.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
