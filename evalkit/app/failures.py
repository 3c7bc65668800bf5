"""Which samples failed last time."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.app.workspace import Workspace

_FAILED = """
with newest as (
  select entry_id, row_number() over (partition by candidate order by started desc, entry_id desc) as place
  from entries where suite = $suite and status <> 'skipped' and (len($names) = 0 or list_contains($names, candidate))
)
select distinct c.sample_id from cells c join newest n on n.entry_id = c.entry_id and n.place = 1
left join result r on r.entry_id = c.entry_id and r.is_primary and r.slice = ''
left join scores s on s.entry_id = c.entry_id and s.position = c.position and s.metric = r.metric
where c.status <> 'answered' or s.status is distinct from 'scored' or s.value <= 0
order by c.sample_id
"""


def failed_ids(workspace: Workspace, suite: str, candidates: Sequence[str]) -> list[str]:
    """Ids of samples that were not answered, not scorable or worth nothing on the primary metric last time."""
    with workspace.store.open() as connection:
        rows = connection.execute(_FAILED, {"suite": suite, "names": list(candidates)}).fetchall()
    return [str(row[0]) for row in rows]
