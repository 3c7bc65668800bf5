-- Which of the wanted (call, sample) pairs have a score with this signature.
select w.place from wanted w
where exists (
  select 1 from score s
  where s.call_id = w.call_id and s.sample_hash = w.sample_hash and s.scorer_sig = $scorer_sig and s.basis = ''
)
