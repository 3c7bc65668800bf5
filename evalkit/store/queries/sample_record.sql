-- One sample across all entries of a run (or, without a run, of all runs): asked, answered, scored.
select c.run_id, c.entry_id, c.suite, c.candidate, c.position, c.repeat, c.split_id, c.status, c.cached, m.input,
       m.target, m.meta, k.call_id, k.model, k.request, k.output, k.reasoning, k.error_kind, k.error_message, k.finish,
       k.usage, k.seconds, k.first_token_s, k.tool_calls, k.trace,
       (select list({'scorer': es.spec, 'metric': s.metric, 'status': s.status, 'value': s.value, 'worst': s.worst,
                     'answer': s.answer, 'reason': s.reason, 'detail': s.detail} order by es.place, s.metric)
        from entry_scorer es join score s on s.scorer_sig = es.scorer_sig
        where es.entry_id = c.entry_id and s.call_id = c.call_id and s.sample_hash = c.sample_hash) as scores
from cells c
join entry e on e.entry_id = c.entry_id
left join sample m on m.data_hash = e.data_hash and m.sample_id = c.sample_id and m.sample_hash = c.sample_hash
left join call k on k.call_id = c.call_id
where c.sample_id = $sample_id and ($run_id is null or c.run_id = $run_id) and ($suite is null or c.suite = $suite)
order by c.run_id, c.suite, c.candidate, c.entry_id, c.position
