-- Runs, newest first, with what they hold.
select r.run_id, r.started, r.finished, r.status, r.command, r.git_commit, r.git_branch, r.git_dirty,
       (select count(*) from entry e where e.run_id = r.run_id) as entries,
       (select coalesce(sum(e.planned), 0)::bigint from entry e where e.run_id = r.run_id) as cells,
       (select count(*) from call k where k.run_id = r.run_id) as calls,
       (select count(*) from call k where k.run_id = r.run_id and k.error_kind is not null) as errors,
       (select sum(u.usd) from call k join cost u using (call_id) where k.run_id = r.run_id) as usd
from run r
order by r.started desc, r.run_id desc
