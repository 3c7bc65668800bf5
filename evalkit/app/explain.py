"""Why cells of a run were asked although earlier runs had asked before: what differs in their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from evalkit.app.workspace import Workspace
from evalkit.store import reader

COLUMNS = ("suite", "candidate", "cells", "why", "example")

_SQL = """
with mine as (select * from entries where run_id = $run and status <> 'skipped'),
before as (
  select m.entry_id as mine, p.entry_id as past,
         row_number() over (partition by m.entry_id order by p.started desc) as place
  from mine m join entries p on p.suite = m.suite and p.candidate = m.candidate and p.started < m.started
    and p.run_id <> m.run_id and p.planned > 0
)
select m.suite, m.candidate, c.sample_id, c.repeat, c.sample_hash, m.fingerprint, m.generation, c.split_id,
       k.endpoint, k.request, b.past is not null as had_run, pc.call_key is not null as had_cell,
       pc.sample_hash as past_hash, p.fingerprint as past_fingerprint, p.generation as past_generation,
       pc.split_id as past_split, pk.call_id is not null as had_call, pk.error_kind as past_error,
       pk.endpoint as past_endpoint, pk.request as past_request
from mine m
join cell c using (entry_id)
left join answer a using (entry_id, position)
left join call k on k.call_id = a.call_id
left join before b on b.mine = m.entry_id and b.place = 1
left join entries p on p.entry_id = b.past
left join cell pc on pc.entry_id = b.past and pc.sample_id = c.sample_id and pc.repeat = c.repeat
left join answer pa on pa.entry_id = pc.entry_id and pa.position = pc.position
left join call pk on pk.call_id = pa.call_id
where not coalesce(a.cached, false)
order by m.suite, m.candidate, c.position
"""


def explain_misses(workspace: Workspace, run_id: str) -> list[dict[str, Any]]:
    """One row per reason: how many cells it explains, and a sample that it holds for."""
    with workspace.loaded() as connection:
        rows = list(reader.query(connection, _SQL, {"run": run_id}).dicts())
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["suite"], row["candidate"], why(row))
        entry = found.setdefault(
            key, {"suite": key[0], "candidate": key[1], "why": key[2], "cells": 0, "example": row["sample_id"]}
        )
        entry["cells"] += 1
    return sorted(found.values(), key=lambda entry: (entry["suite"], entry["candidate"], -entry["cells"]))


def why(row: Mapping[str, Any]) -> str:
    """The first reason that holds, most telling first."""
    if not row["had_run"]:
        return "first run of this candidate on this suite"
    if not row["had_cell"]:
        return "the sample (or repeat) is new"
    if not row["had_call"]:
        return "the earlier run did not get to it"
    if row["past_error"]:
        return f"it failed last time ({row['past_error']}); errors are never reused"
    if row["generation"] != row["past_generation"]:
        return f"--fresh opened generation {row['generation']}"
    return _changed(row)


def _changed(row: Mapping[str, Any]) -> str:
    if row["endpoint"] != row["past_endpoint"]:
        return f"the endpoint changed from {row['past_endpoint']} to {row['endpoint']}"
    if row["request"] and row["past_request"]:
        now, past = msgspec.json.decode(row["request"]), msgspec.json.decode(row["past_request"])
        differ = sorted(name for name in {*now, *past} if now.get(name) != past.get(name))
        if differ:
            return f"the request changed in: {', '.join(differ)}"
    if row["sample_hash"] != row["past_hash"]:
        return "the sample's content changed"
    if row["fingerprint"] != row["past_fingerprint"]:
        return "the candidate's fingerprint changed (its version, options, prompt or code)"
    if row["split_id"] != row["past_split"]:
        return "what it learns from changed (another split)"
    return "its key is equal: it was in flight or not yet stored when this run was planned"
