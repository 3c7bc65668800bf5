-- Scores of several answers together: which of them an entry's number rests on. `basis` names the other answers.
create table entry_basis (
  entry_id varchar not null, position bigint not null, scorer_sig varchar not null, basis varchar not null
);
create or replace view scores as
select c.run_id, c.entry_id, c.suite, c.candidate, c.position, c.sample_id, c.cluster, c.tags, c.repeat, c.split_id, c.cached,
       s.scorer_sig, s.metric, s.status, s.value, s.worst, coalesce(s.value, s.worst) as headline_value, s.parts,
       coalesce(s.parts, s.worst_parts) as headline_parts, s.answer, s.reason, s.detail, s.blob, s.call_id, s.opponent
from cells c join entry_scorer es using (entry_id)
left join entry_basis b on b.entry_id = c.entry_id and b.position = c.position and b.scorer_sig = es.scorer_sig
join score s on s.call_id = c.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = es.scorer_sig
  and s.basis = coalesce(b.basis, '');
-- What a cell cost: its own call, and every call that it made on the way (reused ones too: that is what it costs).
create view cell_cost as
with own as (
  select a.entry_id, a.position, a.call_id from answer a
),
step as (
  select o.entry_id, o.position, unnest(json_extract_string(k.trace, '$[*][1]')) as call_key
  from own o join call k using (call_id) where k.trace is not null
),
made as (
  select call_key, max_by(call_id, (error_kind is null, started, call_id)) as call_id
  from call where ordinal > 0 group by call_key
),
spent as (
  select o.entry_id, o.position, u.usd from own o left join cost u using (call_id)
  union all
  select s.entry_id, s.position, u.usd from step s left join made m using (call_key) left join cost u on u.call_id = m.call_id
)
select entry_id, position, case when count(*) = count(usd) then sum(usd) end as usd from spent group by entry_id, position;
