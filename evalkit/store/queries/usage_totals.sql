-- Unit counts that a run (or all runs) consumed, by suite, candidate, model and unit; reused answers consume nothing.
select k.run_id, e.suite, e.candidate, k.model, u.key as unit, sum(cast(u.value as double)) as total, count(*) as calls
from call k left join entry e using (entry_id), json_each(k.usage) u
where $run_id is null or k.run_id = $run_id
group by all
order by all
