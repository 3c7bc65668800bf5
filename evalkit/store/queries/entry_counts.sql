-- The denominators of entries: planned cells, and how many are answered, errored, missing, cached.
select e.entry_id, e.planned, count(*) filter (where c.status = 'answered') as answered,
       count(*) filter (where c.status = 'errored') as errored,
       e.planned - count(*) filter (where c.status in ('answered', 'errored')) as missing,
       count(*) filter (where c.cached) as cached
from entry e left join cells c using (entry_id)
where list_contains($entry_ids, e.entry_id)
group by e.entry_id, e.planned
order by e.entry_id
