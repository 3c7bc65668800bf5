-- Samples of an entry that did not reach $passing on a metric, worst first, with what was asked and answered.
select c.position, c.sample_id, c.tags, c.repeat, c.split_id, c.status as cell_status, c.cached, s.status, s.value,
       coalesce(s.value, s.worst) as headline_value, s.answer, s.reason, s.detail, m.input, m.target, k.call_id,
       k.request, k.output, k.reasoning, k.error_kind, k.error_message, k.finish, k.usage, k.seconds, k.tool_calls,
       k.trace, k.meta
from cells c
join entry e on e.entry_id = c.entry_id
left join sample m on m.data_hash = e.data_hash and m.sample_id = c.sample_id and m.sample_hash = c.sample_hash
left join call k on k.call_id = c.call_id
left join entry_basis b on b.entry_id = c.entry_id and b.position = c.position and b.scorer_sig = $scorer_sig
left join score s on s.call_id = c.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = $scorer_sig
  and s.metric = $metric and s.basis = coalesce(b.basis, '')
where c.entry_id = $entry_id
  and (c.status <> 'answered' or s.status is distinct from 'scored' or $passing is null
       or case when $higher then s.value < $passing else s.value > $passing end)
order by case when $higher then coalesce(s.value, s.worst) else -coalesce(s.value, s.worst) end nulls first, c.position
limit $limit offset $offset
