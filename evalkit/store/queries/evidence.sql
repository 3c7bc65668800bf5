-- Some samples of an entry, first repeat only, with what was asked and answered.
select c.position, c.sample_id, c.tags, c.repeat, c.split_id, c.status as cell_status, c.cached, m.input, m.target,
       k.call_id, k.request, k.output, k.reasoning, k.error_kind, k.error_message, k.finish, k.usage, k.seconds,
       k.tool_calls, k.trace, k.meta, u.usd
from cells c
join entry e on e.entry_id = c.entry_id
left join sample m on m.data_hash = e.data_hash and m.sample_id = c.sample_id and m.sample_hash = c.sample_hash
left join call k on k.call_id = c.call_id
left join cell_cost u on u.entry_id = c.entry_id and u.position = c.position
where c.entry_id = $entry_id and c.repeat = 0 and list_contains($sample_ids, c.sample_id)
order by c.position
