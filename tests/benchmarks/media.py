"""How fast masks are scored: 500 pairs of one megapixel, read and compared on two cores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from evalkit import registry
from evalkit.core.keys import digest_bytes
from evalkit.core.types import Response, Sample

from .definitions import Bench, Group
from .results import Result, at_most

SIDE = 1000
CORES = 2
DISTINCT = 10
PER_PAIR_S = 20.0 / 500


def masks(bench: Bench) -> Iterator[Result]:
    """mIoU over 500 masks of one megapixel; reading the same files without comparing them is the control."""
    count, folder = bench.sized(500), bench.fresh()
    folder.mkdir(parents=True)
    names = [_drawn(folder, seed) for seed in range(DISTINCT)]
    pairs = [(names[i % DISTINCT], names[(i * 3 + 1) % DISTINCT]) for i in range(count)]
    halves = [(folder, pairs[core::CORES]) for core in range(CORES)]
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
        # The first round starts the processes and imports what they need.
        list(pool.map(_score, [(folder, pairs[:1])] * CORES))
        bare, scored = _wall(pool, _read, halves), _wall(pool, _score, halves)
    limit = max(3.0 * bare, PER_PAIR_S * count)
    yield at_most("miou_megapixel_wall", scored, "s", limit, control=bare, target=PER_PAIR_S * count)


class _Folder:
    """Blobs in a folder, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, ref: Any) -> bytes:
        return (self.folder / ref["$blob"]).read_bytes()

    def put(self, data: bytes, media_type: str) -> dict[str, str]:
        return {"$blob": digest_bytes(data), "type": media_type}


def _drawn(folder: Path, seed: int) -> str:
    """A mask of 40 overlapping discs, as a palette PNG."""
    drawn = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for label in range(1, 41):
        row, column, radius = drawn.uniform(0, SIDE), drawn.uniform(0, SIDE), drawn.uniform(20, 120)
        mask[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = label
    image = Image.fromarray(mask, mode="L").convert("P")
    stream = BytesIO()
    image.save(stream, "PNG")
    (folder / f"{seed}.png").write_bytes(stream.getvalue())
    return f"{seed}.png"


def _wall(pool: ProcessPoolExecutor, work: Any, halves: list[Any]) -> float:
    begun = time.perf_counter()
    list(pool.map(work, halves))
    return time.perf_counter() - begun


def _read(given: tuple[Path, list[tuple[str, str]]]) -> None:
    folder, pairs = given
    for pair in pairs:
        for name in pair:
            np.asarray(Image.open(folder / name))


def _score(given: tuple[Path, list[tuple[str, str]]]) -> None:
    folder, pairs = given
    scorer, context = registry.make("scorers", "segmentation"), SimpleNamespace(blobs=_Folder(folder))
    for truth, answer in pairs:
        sample = Sample(truth, {}, {"mask": {"$blob": truth, "type": "image/png"}, "size": [SIDE, SIDE]})
        response = Response({"$blob": answer, "type": "image/png"})
        asyncio.run(scorer.score(sample, [response], context))


GROUPS = (Group(("miou_megapixel_wall",), masks),)
