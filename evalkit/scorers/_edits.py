"""Alignments of two sequences: substitutions, deletions, insertions and hits, from rapidfuzz's edit operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import islice, starmap
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evalkit.core.errors import MissingComponent

Units = Sequence[str]
# Small enough that what is counted is still in the processor's cache.
_CHUNK = 512


class Edits(NamedTuple):
    """What turns a reference into a hypothesis: counts of substitutions, deletions, insertions and hits, in units."""

    substitutions: int
    deletions: int
    insertions: int
    hits: int

    @property
    def reference(self) -> int:
        """Units of the reference."""
        return self.substitutions + self.deletions + self.hits

    @property
    def hypothesis(self) -> int:
        """Units of the hypothesis."""
        return self.substitutions + self.insertions + self.hits

    @property
    def errors(self) -> int:
        """The Levenshtein distance."""
        return self.substitutions + self.deletions + self.insertions


@cache
def editops() -> Callable[[Units, Units], Any]:
    """rapidfuzz's `Levenshtein.editops`, imported when it is first needed. Raises MissingComponent without it."""
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError as error:
        raise MissingComponent("error rates need rapidfuzz: pip install 'evalkit[text]'") from error
    found: Callable[[Units, Units], Any] = Levenshtein.editops
    return found


def aligned(reference: Units, hypothesis: Units) -> tuple[Edits, Any]:
    """Counts of a pair and its edit operations (an iterable of `(tag, reference index, hypothesis index)`).

    One of the alignments with the fewest edits: the one that rapidfuzz, and so jiwer, picks.
    """
    operations = editops()(reference, hypothesis)
    return _counted(len(reference), len(hypothesis), operations), operations


def edit_counts(pairs: Iterable[tuple[Units, Units]]) -> npt.NDArray[np.int64]:
    """Counts of many (reference, hypothesis) pairs, [n, 4]: substitutions, deletions, insertions, hits."""
    several = iter(pairs)
    chunks = iter(lambda: list(islice(several, _CHUNK)), [])
    return np.concatenate([np.zeros((0, 4), np.int64), *map(_chunk, chunks)])


def _chunk(pairs: list[tuple[Units, Units]]) -> npt.NDArray[np.int64]:
    find = editops()
    found = list(starmap(find, pairs))
    n, m, edits = (np.fromiter(map(len, column), np.int64, len(pairs)) for column in (*zip(*pairs, strict=True), found))
    s = edits - np.abs(n - m)
    unsure = np.flatnonzero(s > 1)
    s[unsure] = [_replaced(found[at]) for at in unsure.tolist()]
    deleted = (edits - s + n - m) // 2
    return np.stack([s, deleted, deleted - (n - m), n - s - deleted], axis=1)


def _replaced(operations: Any) -> int:
    return [operation[0] for operation in operations.as_list()].count("replace")


def _counted(reference: int, hypothesis: int, operations: Any) -> Edits:
    distance = len(operations)
    apart = reference - hypothesis
    # Deletions minus insertions is the difference of lengths; so up to one edit beyond it, the distance says it all.
    spare = distance - abs(apart)
    substituted = spare if spare <= 1 else _replaced(operations)
    deleted = (distance - substituted + apart) // 2
    return Edits(substituted, deleted, deleted - apart, reference - substituted - deleted)
