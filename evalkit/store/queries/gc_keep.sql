-- What stays when the runs in dropped_run go: temporary tables kept_*, one row per thing that stays.
create or replace temp table kept_entry as
select entry_id, suite_hash, data_hash, prompt_hashes from entry
where run_id not in (select run_id from dropped_run);

create or replace temp table kept_key as
select distinct call_key from cell where entry_id in (select entry_id from kept_entry);

-- A call stays when a kept entry is answered by it, when a kept run made it, when it was made (by a judge, a router)
-- on the way to an answer that stays, or when it is a step in the trace of a call that stays.
create or replace temp table kept_call as
with recursive kept(call_id, trace) as (
  select k.call_id, k.trace from call k
  where k.run_id in (select run_id from run where run_id not in (select run_id from dropped_run))
     or k.call_id in (select call_id from answer where entry_id in (select entry_id from kept_entry))
     or exists (
       select 1 from cell c where c.entry_id = k.entry_id and c.position = k.position
         and c.call_key in (select call_key from kept_key)
     )
  union
  select k.call_id, k.trace
  from (select distinct unnest(json_extract_string(trace, '$[*][1]')) as call_key from kept where trace is not null) step
  join call k using (call_key)
)
select distinct call_id from kept;

create or replace temp table kept_data as
select distinct data_hash from kept_entry;

create or replace temp table kept_signature as
select scorer_sig from entry_scorer where entry_id in (select entry_id from kept_entry)
union
select scorer_sig from score where call_id in (select call_id from kept_call);
