"""Regenerate the golden cases of the mask scorers with scikit-learn, scikit-image and scipy; CI diffs the result.

Usage: python scripts/make_mask_cases.py [folder]
"""

from __future__ import annotations

import json
import math
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from skimage.draw import disk, ellipse, rectangle
from skimage.measure import regionprops
from skimage.morphology import dilation
from skimage.morphology import disk as ball
from sklearn.metrics import f1_score, jaccard_score

FOLDER = Path(__file__).parents[1] / "tests" / "cases" / "scorers"
COMMAND = "python scripts/make_mask_cases.py"
HIGH, WIDE = 36, 48
Mask = Any


def value(number: float) -> float:
    """Twelve significant digits: the same on every machine."""
    return float(f"{float(number):.12g}")


def runs(mask: Mask) -> dict[str, Any]:
    """COCO's run lengths of a mask."""
    flat = np.concatenate([[False], mask.astype(bool).ravel(order="F"), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], edges, [mask.size]]))
    return {"size": list(mask.shape), "counts": [int(n) for n in counts]}


def drawn(*shapes: tuple[Any, int]) -> Mask:
    """Labels of shapes that lie on each other."""
    mask = np.zeros((HIGH, WIDE), np.uint8)
    for shape, label in shapes:
        mask[shape] = label
    return mask


def masks(labels: Mask) -> list[dict[str, Any]]:
    """An object per label as run lengths."""
    return [{"mask": runs(labels == n), "label": int(n)} for n in np.unique(labels) if n]


def at_disk(row: int, column: int, radius: float) -> Any:
    return disk((row, column), radius, shape=(HIGH, WIDE))


def pairs() -> dict[str, tuple[Mask, Mask]]:
    """Named pairs of target and answer, labels 0 to 3."""
    noise = np.random.default_rng(4)
    round_one, long_one = at_disk(14, 14, 9), ellipse(22, 34, 6, 11, shape=(HIGH, WIDE))
    square = rectangle((4, 26), (15, 40), shape=(HIGH, WIDE))
    truth = drawn((round_one, 1), (long_one, 2))
    speckled = np.where(noise.random((HIGH, WIDE)) < 0.08, 3, truth)
    return {
        "equal": (truth, truth),
        "shifted by two": (truth, np.roll(truth, (2, -2), axis=(0, 1))),
        "one missing": (truth, drawn((round_one, 1))),
        "one too much": (drawn((round_one, 1)), drawn((round_one, 1), (square, 3))),
        "other labels": (truth, drawn((round_one, 2), (long_one, 3))),
        "one over both": (truth, drawn((rectangle((5, 4), (29, 46), shape=(HIGH, WIDE)), 1))),
        "one cut in two": (
            drawn((square, 1)),
            drawn((square, 1), (rectangle((4, 33), (15, 40), shape=(HIGH, WIDE)), 2)),
        ),
        "speckled": (truth, speckled.astype(np.uint8)),
        "at the border": (drawn((at_disk(0, 0, 12), 1)), drawn((at_disk(0, 0, 15), 1))),
        "nothing found": (truth, drawn()),
        "nothing there": (drawn(), drawn((square, 2))),
        "nothing at all": (drawn(), drawn()),
    }


def item(truth: Mask, answer: Mask) -> dict[str, Any]:
    """A case's item: an object per label as run lengths."""
    return {"target": {"mask": runs(truth > 0), "objects": 1}, "output": masks(answer)}


def classed(truth: Mask, answer: Mask) -> dict[str, Any]:
    """The same with the target's labels too."""
    return {"target": {"masks": masks(truth), "size": [HIGH, WIDE]}, "output": {"masks": masks(answer)}}


def overlap() -> list[dict[str, Any]]:
    """IoU, Dice and pooled IoU of object and ground, by scikit-learn."""
    items, scores = [], []
    for truth, answer in pairs().values():
        t, a = truth.ravel() > 0, answer.ravel() > 0
        scores.append(
            {"iou": value(jaccard_score(t, a, zero_division=1)), "dice": value(f1_score(t, a, zero_division=1))}
        )
        items.append(item(truth, answer))
    t = np.concatenate([truth.ravel() > 0 for truth, _ in pairs().values()])
    a = np.concatenate([answer.ravel() > 0 for _, answer in pairs().values()])
    whole = {"miou_pooled": value(jaccard_score(t, a, average="macro"))}
    spec = "segmentation(picture=False)"
    return [{"name": "object and ground", "spec": spec, "items": items, "scores": scores, "value": whole}, *classes()]


def classes() -> list[dict[str, Any]]:
    """The labels as classes, with the ground and without, one of them never there."""
    cases = []
    for known in ([0, 1, 2, 3], [1, 2, 3], [1, 2, 9]):
        items, scores = [], []
        for truth, answer in pairs().values():
            there = [n for n in known if (truth == n).any() or (answer == n).any()]
            asked = {"labels": there, "average": "macro"}
            t, a = truth.ravel(), answer.ravel()
            scores.append(
                {"iou": value(jaccard_score(t, a, **asked)), "dice": value(f1_score(t, a, **asked))}
                if there
                else {"iou": 1.0, "dice": 1.0}
            )
            items.append(classed(truth, answer))
        t, a = (np.concatenate([pair[side].ravel() for pair in pairs().values()]) for side in (0, 1))
        whole = {"miou_pooled": value(jaccard_score(t, a, labels=known, average="macro", zero_division=0))}
        spec = f"segmentation(labels={known}, picture=False)"
        cases.append({"name": f"classes {known}", "spec": spec, "items": items, "scores": scores, "value": whole})
    return cases


def contour(mask: Mask) -> Mask:
    """The boundary by its definition, pixel by pixel."""
    edge = np.zeros(mask.shape, bool)
    high, wide = mask.shape
    for row in range(high):
        for column in range(wide):
            down, right = min(row + 1, high - 1), min(column + 1, wide - 1)
            others = (mask[down, column], mask[row, right], mask[down, right])
            edge[row, column] = any(other != mask[row, column] for other in others)
    return edge


def boundary_scores(truth: Mask, answer: Mask, radius: int) -> dict[str, float]:
    """Boundary precision, recall and F with scikit-image's dilation by a disk, IoU by scikit-learn."""
    wanted, found = contour(truth), contour(answer)
    if not wanted.any() or not found.any():
        precision, recall = float(not found.any()), float(not wanted.any())
    else:
        precision = (found & dilation(wanted, ball(radius))).sum() / found.sum()
        recall = (wanted & dilation(found, ball(radius))).sum() / wanted.sum()
    f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    j = jaccard_score(truth.ravel(), answer.ravel(), zero_division=1)
    both = {"boundary_precision": precision, "boundary_recall": recall, "boundary_f": f, "j_and_f": (j + f) / 2}
    return {name: value(number) for name, number in both.items()}


def contours() -> list[dict[str, Any]]:
    cases = []
    for tolerance, radius in (
        (0.008, math.ceil(0.008 * math.hypot(HIGH, WIDE))),
        (0.04, math.ceil(0.04 * math.hypot(HIGH, WIDE))),
        (2, 2),
    ):
        items = [item(truth, answer) for truth, answer in pairs().values()]
        scores = [boundary_scores(truth > 0, answer > 0, radius) for truth, answer in pairs().values()]
        spec = "boundary_f" if tolerance == 0.008 else f"boundary_f(tolerance={tolerance})"
        cases.append({"name": f"radius {radius}", "spec": spec, "items": items, "scores": scores})
    return cases


def objects() -> list[dict[str, Any]]:
    """Each object against the answered objects, by scikit-image's region properties; one object per target."""
    items, scores = [], []
    for truth, answer in pairs().values():
        one = (truth == 1).astype(np.uint8)
        if not one.any():
            continue
        found = {region.label: answer == region.label for region in regionprops(answer)}
        best = max((jaccard_score(one.ravel(), mask.ravel() > 0) for mask in found.values()), default=0.0)
        overlapping = any((mask & (one > 0)).any() for mask in found.values())
        items.append(item(one, answer))
        scores.append({"miou_objects": value(best), "false_objects": len(found) - overlapping})
    mean = value(sum(score["miou_objects"] for score in scores) / len(scores))
    return [
        {
            "name": "one object",
            "spec": "mask_objects",
            "items": items,
            "scores": scores,
            "value": {"miou_objects": mean},
        }
    ]


def main(folder: Path) -> None:
    """Write one file per scorer."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "segmentation": ("scikit-learn", overlap()),
        "boundary_f": ("scikit-image", contours()),
        "mask_objects": ("scikit-image", objects()),
    }
    for name, (library, cases) in made.items():
        told = {"library": library, "version": version(library), "command": COMMAND}
        lines = ",\n ".join(json.dumps(case) for case in cases)
        (folder / f"{name}.json").write_text(f'{{"made_by": {json.dumps(told)}, "cases": [\n {lines}]}}\n', "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
