-- Entries that a name may mean, newest first: complete ones before the others of the same moment.
select e.entry_id, e.run_id, e.suite, e.candidate, e.fingerprint, e.data_hash, e.status, e.reason, r.started, r.git_commit,
       r.git_branch, r.git_dirty
from entry e join run r using (run_id)
where $suite is null or e.suite = $suite
order by r.started desc, e.run_id desc, e.suite, e.candidate
