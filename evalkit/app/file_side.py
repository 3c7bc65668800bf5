"""A side of a comparison that lies in a baseline file: its numbers, and the beginning of its outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.app.guardrails import emitted
from evalkit.app.scoring import Prepared
from evalkit.app.sides import Answers, Flags, Floats, scorer_of
from evalkit.core.errors import InvalidRun
from evalkit.core.fold import Majority
from evalkit.store.sides import Cells, Scores

SHOWN_CHARACTERS = 1000
FACTS = (
    "entry_id", "run_id", "suite", "suite_hash", "data_hash", "task_hash", "family", "candidate", "fingerprint",
    "candidate_spec", "generation", "seed", "repeats", "planned", "status", "started", "git_commit", "git_branch",
    "versions", "spec",
)  # fmt: skip


@dataclass
class FileSide:
    """One entry of a baseline file; the file has been checked."""

    document: Mapping[str, Any]
    label: str
    _scores: dict[tuple[str, str], Scores] = field(default_factory=dict)

    @property
    def facts(self) -> Mapping[str, Any]:
        """As they were when the file was written."""
        found: Mapping[str, Any] = self.document["facts"]
        return found

    @cached_property
    def cells(self) -> Cells:
        """All planned cells."""
        columns = self.document["cells"]
        return Cells(
            position=np.arange(len(columns["sample_id"]), dtype=np.int64),
            sample_id=_objects(columns["sample_id"]),
            sample_hash=_objects(columns["sample_hash"]),
            repeat=np.array(columns["repeat"], dtype=np.int64),
            cluster=_objects(columns["cluster"]),
            tags=_objects([tuple(tags) for tags in columns["tags"]]),
            call_id=_objects(columns["call_id"]),
            cached=np.array(columns["cached"], dtype=np.bool_),
            error_kind=_objects(columns["error_kind"]),
            output=_objects(columns["output"]),
            seconds=_floats(columns["seconds"]),
        )

    @property
    def scorers(self) -> Sequence[Mapping[str, Any]]:
        """The scorers whose scores are in the file."""
        found: Sequence[Mapping[str, Any]] = self.document["scorers"]
        return found

    def scores(self, sig: str, metric: str) -> Scores | None:
        """As they stand in the file."""
        key = (sig, metric)
        if key not in self._scores:
            listed = self.document["scores"]
            found = next((one for one in listed if (one["scorer_sig"], one["metric"]) == key), None)
            if found is None:
                return None
            self._scores[key] = _scores_of(found)
        return self._scores[key]

    def anew(self, one: Prepared) -> Mapping[str, Scores]:
        """Refused: the whole outputs are not in the file."""
        raise InvalidRun(
            f"{self.label} has no scores by {one.spec} as it is now, and a file has no outputs to score again; "
            "export the baseline anew"
        )

    def costs(self) -> Floats:
        """As they were known."""
        return _floats(self.document["cells"]["usd"])

    def failed(self) -> Flags:
        """As they were."""
        return np.array(self.document["cells"]["failed"], dtype=np.bool_)

    def texts(self, sample_ids: Sequence[str]) -> Mapping[str, list[str]]:
        """The beginnings of outputs."""
        columns, wanted = self.document["cells"], set(sample_ids)
        found: dict[str, list[str]] = {}
        for ident, text in zip(columns["sample_id"], columns["shown"], strict=True):
            if ident in wanted:
                found.setdefault(ident, []).append(text or "")
        return found

    def reasons(self, sig: str, metric: str, sample_ids: Sequence[str]) -> Mapping[str, str]:  # noqa: ARG002 - as every side
        """None: they are not in the file."""
        return {}

    def prompts(self) -> Sequence[Mapping[str, Any]]:
        """As they were."""
        found: Sequence[Mapping[str, Any]] = self.document["prompts"]
        return found


def document_of(side: Answers) -> dict[str, Any]:
    """A side as an entry of a baseline file: everything that a comparison needs of it."""
    facts = {name: side.facts[name] for name in FACTS}
    for name in ("started",):
        facts[name] = _iso(facts[name])
    scorers = [
        {name: row[name] for name in ("scorer_sig", "spec", "extraction")}
        | {"metrics": [m for m in row["metrics"] or () if m]}
        for row in side.scorers
    ]
    columns = [_score_columns(side, row["scorer_sig"], name) for row in scorers for name in row["metrics"]]
    guard = _refusals(side, {name for row in scorers for name in row["metrics"]})
    if guard is not None:
        scorers.append(guard[0])
        columns.append(guard[1])
    return {
        "facts": facts,
        "prompts": sorted((dict(row) for row in side.prompts()), key=str),
        "scorers": scorers,
        "cells": _cell_columns(side),
        "scores": [one for one in columns if one is not None],
    }


def _refusals(side: Answers, have: set[str]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The refusal rate, which needs outputs and may be a guardrail later."""
    one = emitted(())["refusal_rate"]
    if "refusal_rate" in have or one.prepared is None:
        return None
    scorer = {
        "scorer_sig": one.prepared.sig,
        "spec": one.prepared.spec,
        "extraction": None,
        "metrics": ["refusal_rate"],
    }
    return scorer, _columns_of(one.of(side), (one.prepared.sig, "refusal_rate"), answers=False)


def _cell_columns(side: Answers) -> dict[str, Any]:
    cells = side.cells
    texts = side.texts(sorted(set(cells.sample_id.tolist())))
    turn: dict[str, int] = {}
    shown: list[str | None] = []
    for ident, call in zip(cells.sample_id, cells.call_id, strict=True):
        if call is None:
            shown.append(None)
            continue
        place = turn.get(ident, 0)
        turn[ident] = place + 1
        said = texts.get(ident, [])
        shown.append(said[place][:SHOWN_CHARACTERS] if place < len(said) else None)
    return {
        "sample_id": cells.sample_id.tolist(),
        "sample_hash": cells.sample_hash.tolist(),
        "cluster": cells.cluster.tolist(),
        "repeat": cells.repeat.tolist(),
        "tags": [list(tags) for tags in cells.tags],
        "call_id": cells.call_id.tolist(),
        "error_kind": cells.error_kind.tolist(),
        "output": cells.output.tolist(),
        "shown": shown,
        "cached": cells.cached.tolist(),
        "failed": side.failed().tolist(),
        "seconds": _nullable(cells.seconds),
        "usd": _nullable(side.costs()),
    }


def _score_columns(side: Answers, sig: str, metric: str) -> dict[str, Any] | None:
    found = side.scores(sig, metric)
    if found is None:
        return None
    one = scorer_of(side, metric)
    declared = next((m for m in one.metrics if m.name == metric), None) if one is not None else None
    return _columns_of(found, (sig, metric), answers=declared is None or isinstance(declared.fold.within, Majority))


def _columns_of(scores: Scores, of: tuple[str, str], *, answers: bool) -> dict[str, Any]:
    return {
        "scorer_sig": of[0],
        "metric": of[1],
        "status": scores.status.tolist(),
        "value": _nullable(scores.value),
        "worst": _nullable(scores.worst),
        "parts": [None if text is None else json.loads(text) for text in scores.parts],
        "worst_parts": [None if text is None else json.loads(text) for text in scores.worst_parts],
        "answer": scores.answer.tolist() if answers else [None] * len(scores.answer),
    }


def _scores_of(columns: Mapping[str, Any]) -> Scores:
    texts = {
        name: _objects([None if one is None else json.dumps(one, sort_keys=True) for one in columns[name]])
        for name in ("parts", "worst_parts")
    }
    return Scores(
        status=_objects(columns["status"]),
        value=_floats(columns["value"]),
        worst=_floats(columns["worst"]),
        parts=texts["parts"],
        worst_parts=texts["worst_parts"],
        answer=_objects(columns["answer"]),
    )


def _nullable(values: Floats) -> list[float | None]:
    return [None if np.isnan(one) else float(one) for one in values]


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if one is None else one for one in values], dtype=np.float64)


def _objects(values: Sequence[Any]) -> npt.NDArray[np.object_]:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _iso(value: Any) -> str:
    """A time as ISO text in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)
