-- The denominators of entries: planned cells, and how many are answered, errored, missing, cached.
select e.entry_id, e.planned, count(k.call_id) - count(k.error_kind) as answered, count(k.error_kind) as errored,
       e.planned - count(k.call_id) as missing, count(*) filter (where a.cached) as cached
from entry e left join answer a using (entry_id) left join call k using (call_id)
where list_contains($entry_ids, e.entry_id)
group by e.entry_id, e.planned
order by e.entry_id
