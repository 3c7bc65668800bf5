"""Stored answers scored by another scorer, in memory: nothing stored is touched and nobody is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import msgspec
import numpy as np

from evalkit.app.rescoring import StoredContext, samples_of
from evalkit.app.scoring import Prepared, Scoring
from evalkit.app.sides import Rescore, StoredSide
from evalkit.app.workspace import Workspace
from evalkit.core.capabilities import needed
from evalkit.core.errors import InvalidRun
from evalkit.core.types import Response, Sample
from evalkit.store import sides as stored
from evalkit.store.planning import Answered
from evalkit.store.sides import Scores

AGAIN = "run the suite for that candidate again: known answers are not asked again"


def rescorer(workspace: Workspace) -> Rescore:
    """How sides of this workspace are scored anew."""
    return partial(scored_anew, workspace)


def scored_anew(workspace: Workspace, side: StoredSide, one: Prepared) -> Mapping[str, Scores]:
    """The scores of an entry's answers by `one`, by metric name, in the order of the side's cells.

    Raises InvalidRun where stored answers are not enough: a scorer that asks others, compares with an opponent, runs
    code, or reads checks that stand in the samples themselves.
    """
    if why := _beyond(one):
        raise InvalidRun(f"{one.spec} {why}, so stored answers of {side.label} cannot be scored by it; {AGAIN}")
    samples = samples_of(side.connection, str(side.facts["data_hash"]))
    found = {metric.name: Scores.empty(len(side.cells)) for metric in one.metrics}
    asyncio.run(_all(workspace, side, one, (samples, found)))
    return found


def _beyond(one: Prepared) -> str:
    if needed(one.scorer):
        return f"asks {', '.join(needed(one.scorer))}"
    if one.scorer.takes == "pair":
        return "compares with an opponent's answers"
    if getattr(one.scorer, "needs_sandbox", False):
        return "runs code"
    return "reads checks that stand in the samples" if one.spec == "checks" else ""


async def _all(
    workspace: Workspace, side: StoredSide, one: Prepared, work: tuple[Mapping[str, Sample], Mapping[str, Scores]]
) -> None:
    from evalkit.scorers._extract import apply_extraction

    samples, found = work
    scoring = Scoring([one], partial(apply_extraction, one.extract) if one.extract else None)
    places = {int(at): place for place, at in enumerate(side.cells.position)}
    try:
        for group in _groups(side, one):
            first = group[0]
            responses = [_extracted(scoring, cell.response) for cell in group]
            context = StoredContext(workspace, first.model)
            for line in await scoring.lines(one, samples[first.sample_id], responses, context):
                _put(found[line[0]], places[first.position], line)
    finally:
        scoring.close()


def _groups(side: StoredSide, one: Prepared) -> Iterator[Sequence[Answered]]:
    cells = (cell for batch in stored.answered(side.connection, side.entry_id) for cell in batch)
    if one.scorer.takes == "one":
        yield from ([cell] for cell in cells)
    else:
        yield from (list(group) for _, group in groupby(cells, key=lambda cell: cell.sample_id))


def _extracted(scoring: Scoring, response: Response) -> Response:
    return scoring.extract(response) if scoring.extract is not None and response.error is None else response


def _put(scores: Scores, place: int, line: Sequence[Any]) -> None:
    _, status, value, parts, worst, worst_parts, answer, *_ = line
    scores.status[place] = status
    scores.value[place] = np.nan if value is None else value
    scores.worst[place] = np.nan if worst is None else worst
    scores.parts[place] = None if parts is None else msgspec.json.encode(parts).decode()
    scores.worst_parts[place] = None if worst_parts is None else msgspec.json.encode(worst_parts).decode()
    scores.answer[place] = answer
