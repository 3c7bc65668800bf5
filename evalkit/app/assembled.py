"""A side made of parts of others: some samples of one entry, or an entry with more repeats of some samples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from evalkit.app.scoring import Prepared
from evalkit.app.sides import Answers
from evalkit.store.sides import Cells, Scores

Flags = npt.NDArray[np.bool_]
Column = TypeVar("Column", Cells, Scores)


class Assembled:
    """Cells taken from one or more sides, in the order of (sample, repeat); facts and prompts are the first one's.

    `parts` = sides with a flag per cell: whether it is taken. No cell may come from two of them.
    """

    def __init__(self, parts: Sequence[tuple[Answers, Flags]]) -> None:
        self._parts = list(parts)
        self._first = self._parts[0][0]
        joined = self._joined([side.cells for side, _ in self._parts])
        self._order = np.lexsort((joined.repeat, joined.sample_id.astype(np.str_)))
        self._cells = _taken(joined, self._order)

    @property
    def label(self) -> str:
        """The first side's."""
        return self._first.label

    @property
    def facts(self) -> Mapping[str, Any]:
        """The first side's."""
        return self._first.facts

    @property
    def cells(self) -> Cells:
        """The cells that were taken."""
        return self._cells

    @property
    def scorers(self) -> Sequence[Mapping[str, Any]]:
        """The first side's."""
        return self._first.scorers

    def scores(self, sig: str, metric: str) -> Scores | None:
        """The scores of every part; None when one of them has none by this signature."""
        found = [side.scores(sig, metric) for side, _ in self._parts]
        known = [one for one in found if one is not None]
        return self._ordered(known) if len(known) == len(found) else None

    def anew(self, one: Prepared) -> Mapping[str, Scores]:
        """Scores of the stored outputs of every part."""
        found = [side.anew(one) for side, _ in self._parts]
        return {name: self._ordered([part[name] for part in found]) for name in found[0]}

    def costs(self) -> npt.NDArray[np.float64]:
        """US dollars per cell, NaN = unknown."""
        return np.asarray(self._column(lambda side: side.costs()), dtype=np.float64)

    def failed(self) -> Flags:
        """Which cells failed."""
        return np.asarray(self._column(lambda side: side.failed()), dtype=np.bool_)

    def texts(self, sample_ids: Sequence[str]) -> Mapping[str, list[str]]:
        """Outputs as text; of the part that a sample was taken from."""
        found: dict[str, list[str]] = {}
        for side, taken in self._parts:
            here = set(side.cells.sample_id[taken].tolist())
            found.update(side.texts([ident for ident in sample_ids if ident in here]))
        return found

    def reasons(self, sig: str, metric: str, sample_ids: Sequence[str]) -> Mapping[str, str]:
        """Why a sample has its score, of whichever part knows."""
        found: dict[str, str] = {}
        for side, _ in self._parts:
            found.update(side.reasons(sig, metric, sample_ids))
        return found

    def prompts(self) -> Sequence[Mapping[str, Any]]:
        """The first side's."""
        return self._first.prompts()

    def _column(self, read: Callable[[Answers], Any]) -> Any:
        return np.concatenate([read(side)[taken] for side, taken in self._parts])[self._order]

    def _ordered(self, found: Sequence[Scores]) -> Scores:
        return _taken(self._joined(found), self._order)

    def _joined(self, found: Sequence[Column]) -> Column:
        masks = [taken for _, taken in self._parts]
        kind = type(found[0])
        return kind(
            *(
                np.concatenate([getattr(one, name.name)[mask] for one, mask in zip(found, masks, strict=True)])
                for name in fields(kind)
            )
        )


def _taken(one: Column, places: npt.NDArray[np.int64]) -> Column:
    return type(one)(*(getattr(one, name.name)[places] for name in fields(one)))


def only(side: Answers, sample_ids: Collection[str]) -> Assembled:
    """A side's cells of some samples."""
    return Assembled([(side, _of(side, sample_ids))])


def with_more(side: Answers, more: Answers) -> Assembled:
    """A side, its samples that `more` has too taken from there with all their repeats."""
    return Assembled(
        [(side, ~_of(side, set(more.cells.sample_id.tolist()))), (more, np.ones(len(more.cells), np.bool_))]
    )


def _of(side: Answers, sample_ids: Collection[str]) -> Flags:
    wanted = frozenset(sample_ids)
    return np.fromiter((ident in wanted for ident in side.cells.sample_id), dtype=np.bool_, count=len(side.cells))
