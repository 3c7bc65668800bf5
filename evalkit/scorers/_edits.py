"""Alignments of two sequences: substitutions, deletions, insertions and hits, from rapidfuzz's edit operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evalkit.core.errors import MissingComponent

Units = Sequence[str]
Operation = tuple[str, int, int]


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
    find = editops()
    found = [_counted(len(one), len(other), find(one, other)) for one, other in pairs]
    return np.array(found, dtype=np.int64).reshape(len(found), 4)


def _counted(reference: int, hypothesis: int, operations: Any) -> Edits:
    distance = len(operations)
    apart = reference - hypothesis
    # Deletions minus insertions is the difference of lengths; so up to one edit beyond it, the distance says it all.
    spare = distance - abs(apart)
    substituted = spare if spare <= 1 else sum(operation[0] == "replace" for operation in operations.as_list())
    deleted = (distance - substituted + apart) // 2
    return Edits(substituted, deleted, deleted - apart, reference - substituted - deleted)
