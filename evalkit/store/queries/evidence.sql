-- Some samples of an entry, first repeat only, with what was asked and answered.
with chosen as materialized (
  select c.entry_id, c.position, c.sample_id, c.sample_hash, c.repeat, c.split_id, a.call_id,
         coalesce(a.cached, false) as cached
  from cell c left join answer a on a.entry_id = c.entry_id and a.position = c.position
  where c.entry_id = $entry_id and c.repeat = 0 and list_contains($sample_ids, c.sample_id)
)
select c.position, c.sample_id, m.tags, c.repeat, c.split_id,
       case when k.call_id is null then 'missing' when k.error_kind is not null then 'errored'
         else 'answered' end as cell_status, c.cached, m.input, m.target,
       k.call_id, k.request, k.output, k.reasoning, k.error_kind, k.error_message, k.finish, k.usage, k.seconds,
       k.tool_calls, k.trace, k.meta, u.usd
from chosen c
join entry e on e.entry_id = c.entry_id
left join sample m on m.data_hash = e.data_hash and m.sample_id = c.sample_id and m.sample_hash = c.sample_hash
left join call k on k.call_id = c.call_id
left join cell_cost u on u.entry_id = c.entry_id and u.position = c.position
order by c.position
