-- One side of a comparison: an entry with its run and data set.
select e.entry_id, e.run_id, e.suite, e.suite_hash, e.data_hash, e.task_hash, e.family, e.candidate, e.fingerprint,
       e.candidate_spec, e.prompt_hashes, e.generation, e.seed, e.repeats, e.planned, e.status, e.reason,
       r.started, r.git_commit, r.git_branch, r.git_dirty, r.versions, d.source, s.spec,
       (select max(k.started) from answer a join call k using (call_id) where a.entry_id = e.entry_id) as asked
from entry e join run r using (run_id)
left join data_set d on d.data_hash = e.data_hash
left join suite s on s.suite_hash = e.suite_hash and s.data_hash = e.data_hash
where e.entry_id = $entry_id
