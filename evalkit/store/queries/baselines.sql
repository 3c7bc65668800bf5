-- Promoted and imported baselines without their documents; without $history only what holds.
select b.baseline_id, b.name, b.suite, b.candidate, b.anchor, b.origin, b.run_id, b.entry_id, b.gate_id, b.accepted,
       b.since
from baseline b
qualify $history or row_number() over (
  partition by b.name, b.suite, b.candidate order by b.since desc, b.baseline_id desc) = 1
order by b.name, b.suite, b.candidate, b.since desc, b.baseline_id
