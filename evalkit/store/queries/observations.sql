-- Every planned cell of an entry with its score on one metric, in scheduled order.
select c.position, c.sample_id, coalesce(c.cluster, c.sample_id) as cluster, coalesce(c.tags, []) as tags, c.repeat,
       c.split_id as split, coalesce(s.status, case c.status when 'answered' then 'unscored' else c.status end) as status,
       s.value, s.parts, s.worst, s.worst_parts, s.answer, c.cached, k.seconds
from cells c
left join score s on s.call_id = c.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = $scorer_sig
  and s.metric = $metric and s.basis = ''
left join call k on k.call_id = c.call_id
where c.entry_id = $entry_id
order by c.position
