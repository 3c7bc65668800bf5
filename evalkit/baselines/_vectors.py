"""Exact nearest neighbours: the k largest products of vectors, without approximation and with one rule for ties."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

BLOCK = 16_384
"""Corpus vectors multiplied at a time: 1,000 queries need 64 MB for their products."""


def top_k(queries: Any, corpus: Any, k: int, *, block: int = BLOCK) -> tuple[Any, Any]:
    """The `k` corpus rows with the largest product for each query: places [n, k] and products [n, k], best first.

    `queries` [n, d] and `corpus` [m, d] are float32 arrays; equal products stand in the order of their places; k > m
    gives m. Raises ValueError for arrays of other shapes.
    """
    if queries.ndim != 2 or corpus.ndim != 2 or queries.shape[1] != corpus.shape[1]:
        raise ValueError(f"queries {queries.shape} and corpus {corpus.shape} must be [n, d] and [m, d]")
    kept = min(k, len(corpus))
    places = np.zeros((len(queries), 0), dtype=np.int64)
    products = np.zeros((len(queries), 0), dtype=np.result_type(queries, corpus))
    for start in range(0, len(corpus) if kept else 0, block):
        found = queries @ corpus[start : start + block].T
        places, products = _merged(places, products, found, start, kept)
    return places, products


def _merged(places: Any, products: Any, found: Any, start: int, k: int) -> tuple[Any, Any]:
    """The best `k` of what was kept and of a block's products `found`, whose first column has the place `start`."""
    n, held = products.shape
    if held < k:
        room = min(k, held + found.shape[1])
        every = np.concatenate([products, found], axis=1)
        # What ties with the last one kept may stand before it in the order of places: all of it stays in the race.
        least = np.partition(every, every.shape[1] - room, axis=1)[:, every.shape[1] - room]
        rows, columns = np.nonzero(every >= least[:, None])
        values = every[rows, columns]
        fresh = columns - held + start
        spots = fresh if held == 0 else np.where(columns < held, places[rows, np.minimum(columns, held - 1)], fresh)
    else:
        room = k
        # Places only grow from block to block, so an equal product of a later one never wins.
        rows, columns = np.divmod(np.flatnonzero(found > products[:, -1:]), found.shape[1])
        values = np.concatenate([products.ravel(), found[rows, columns]])
        spots = np.concatenate([places.ravel(), columns + start])
        rows = np.concatenate([np.repeat(np.arange(n), held), rows])
    order = np.lexsort((spots, -values, rows))
    counts = np.bincount(rows, minlength=n)
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    chosen = order[firsts[:, None] + np.arange(room)]
    return spots[chosen], values[chosen]


def best(scores: Any, k: int) -> Any:
    """Places of the `k` largest scores above 0, best first; equal ones in the order of their places."""
    positive = int(np.count_nonzero(scores > 0))
    kept = min(k, positive)
    if kept == 0:
        return np.zeros(0, dtype=np.int64)
    least = np.partition(scores, len(scores) - kept)[len(scores) - kept]
    places = np.flatnonzero(scores >= least)
    return places[np.lexsort((places, -scores[places]))][:kept]


def vector(value: Any, what: str) -> Any:
    """A vector of float32 from numbers, or from the base64 text of little-endian float32 numbers.

    Raises ValueError naming `what` for anything else, NaN and infinity.
    """
    if isinstance(value, str):
        try:
            found = np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4")
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"the vector of {what} is no base64 of float32 numbers: {error}") from None
    elif isinstance(value, (list, tuple)) and {type(x) for x in value} <= {float, int}:
        with np.errstate(over="ignore"):
            found = np.array(value, dtype=np.float64).astype(np.float32)
    else:
        raise ValueError(f"{what} has no vector: numbers, or their base64, are needed")
    if len(found) == 0:
        raise ValueError(f"the vector of {what} is empty")
    if not np.isfinite(found).all():
        raise ValueError(f"the vector of {what} holds NaN or infinity")
    return found


def unit(rows: Any, names: Any) -> Any:
    """Each row of an array [n, d] divided by its length. Raises ValueError naming the first of length zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f"the vector of {names[int(np.argmin(lengths))]} is zero: it has no direction to compare")
    return rows / lengths
