-- A call on the way of a cell may be the answer of another cell, which asked the same question at the same time.
create or replace view cell_cost as
with own as (
  select a.entry_id, a.position, a.call_id from answer a
),
step as (
  select o.entry_id, o.position, unnest(json_extract_string(k.trace, '$[*][1]')) as call_key
  from own o join call k using (call_id) where k.trace is not null
),
made as (
  select call_key, max_by(call_id, (error_kind is null, started, call_id)) as call_id
  from call where call_key in (select call_key from step) group by call_key
),
spent as (
  select o.entry_id, o.position, u.usd from own o left join cost u using (call_id)
  union all
  select s.entry_id, s.position, u.usd from step s left join made m using (call_key) left join cost u on u.call_id = m.call_id
)
select entry_id, position, case when count(*) = count(usd) then sum(usd) end as usd from spent group by entry_id, position;
