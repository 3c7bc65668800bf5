-- Samples of an entry that did not reach $passing on a metric, worst first, with what was asked and answered.
-- First which: wide columns are read of those that are shown, since a join holds all that it reads.
with worst as materialized (
  select c.position, c.sample_id, c.sample_hash, c.repeat, c.split_id, a.call_id, coalesce(a.cached, false) as cached,
         case when k.call_id is null then 'missing' when k.error_kind is not null then 'errored'
           else 'answered' end as cell_status,
         s.status, s.value, coalesce(s.value, s.worst) as headline_value, s.rowid as score_row
  from cell c
  left join answer a on a.entry_id = c.entry_id and a.position = c.position
  left join call k on k.call_id = a.call_id
  left join entry_basis b on b.entry_id = c.entry_id and b.position = c.position and b.scorer_sig = $scorer_sig
  left join score s on s.call_id = a.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = $scorer_sig
    and s.metric = $metric and s.basis = coalesce(b.basis, '')
  where c.entry_id = $entry_id and ($positions::bigint[] is null or list_contains($positions::bigint[], c.position))
    and (k.call_id is null or k.error_kind is not null or s.status is distinct from 'scored' or $passing is null
         or case when $higher then s.value < $passing else s.value > $passing end)
  order by case when $higher then headline_value else -headline_value end nulls first, c.position
  limit $limit offset $offset
)
select w.position, w.sample_id, m.tags, w.repeat, w.split_id, w.cell_status, w.cached, w.status, w.value,
       w.headline_value, s.answer, s.reason, s.detail, m.input, m.target, k.call_id,
       k.request, k.output, k.reasoning, k.error_kind, k.error_message, k.finish, k.usage, k.seconds, k.tool_calls,
       k.trace, k.meta
from worst w
join entry e on e.entry_id = $entry_id
left join sample m on m.data_hash = e.data_hash and m.sample_id = w.sample_id and m.sample_hash = w.sample_hash
left join call k on k.call_id = w.call_id
left join score s on s.rowid = w.score_row
order by case when $higher then w.headline_value else -w.headline_value end nulls first, w.position
