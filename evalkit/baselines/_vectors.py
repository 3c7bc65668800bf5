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

    `queries` [n, d] and `corpus` [m, d] are read as float32; equal products stand in the order of their places; k > m
    gives m. Raises ValueError for arrays of other shapes.
    """
    if queries.ndim != 2 or corpus.ndim != 2 or queries.shape[1] != corpus.shape[1]:
        raise ValueError(f"queries {queries.shape} and corpus {corpus.shape} must be [n, d] and [m, d]")
    asked, held = np.asarray(queries, dtype=np.float32), np.asarray(corpus, dtype=np.float32)
    places = np.zeros((len(asked), 0), dtype=np.int64)
    products = np.zeros((len(asked), 0), dtype=np.float32)
    for start in range(0, len(held), block):
        places, products = _merged(places, products, asked @ held[start : start + block].T, start, min(k, len(held)))
    return places, products


def _merged(places: Any, products: Any, found: Any, start: int, k: int) -> tuple[Any, Any]:
    """The best `k` of what was kept and of a block's products `found`, whose first column has the place `start`."""
    n, held = products.shape
    rows, columns = np.divmod(np.flatnonzero(_promising(products, found, k)), found.shape[1])
    values = np.concatenate([products.ravel(), found[rows, columns]])
    spots = np.concatenate([places.ravel(), columns + start])
    rows = np.concatenate([np.repeat(np.arange(n), held), rows])
    order = _order(rows, values, spots)
    firsts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))[:-1]])
    chosen = order[firsts[:, None] + np.arange(min(k, held + found.shape[1]))]
    return spots[chosen], values[chosen]


def _promising(products: Any, found: Any, k: int) -> Any:
    """Which products of a block may be among the best `k`."""
    width = found.shape[1]
    if products.shape[1] == k:
        # Places only grow from block to block, so an equal product of a later one never wins.
        return found > products[:, -1:]
    if products.shape[1] or width < 4 * k:
        return np.ones_like(found, dtype=bool)
    # The k-th best of a quarter is no better than the k-th best of all, and is found in a quarter of the time.
    part = found[:, ::4]
    return found >= np.partition(part, part.shape[1] - k, axis=1)[:, part.shape[1] - k, None]


def _order(rows: Any, values: Any, spots: Any) -> Any:
    """By row, then by falling value, then by place: one sort of 64-bit keys, or three where values are equal."""
    bits = (values + np.float32(0)).view(np.uint32)
    # The bits of float32 numbers sort like the numbers once negative ones are turned round.
    rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    keys = (rows.astype(np.uint64) << np.uint64(32)) | (~rising).astype(np.uint64)
    order = np.argsort(keys)
    sorted_keys = keys[order]
    if bool((sorted_keys[1:] == sorted_keys[:-1]).any()):
        return np.lexsort((spots, keys))
    return order


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
