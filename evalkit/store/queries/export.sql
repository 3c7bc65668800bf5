-- What belongs to the run in `wanted`, one temporary view per exported file.
create or replace temp table my_entry as select e.* from entry e join wanted using (run_id);
create or replace temp table my_call as
select k.* from call k
where k.run_id in (select run_id from wanted)
   or k.call_id in (select call_id from answer where entry_id in (select entry_id from my_entry));

create or replace temp view export_run as
select * from run where run_id in (select run_id from wanted);
create or replace temp view export_entry as
select * from my_entry order by entry_id;
create or replace temp view export_suite as
select * from suite where (suite_hash, data_hash) in (select (suite_hash, data_hash) from my_entry) order by all;
create or replace temp view export_data_set as
select * from data_set where data_hash in (select data_hash from my_entry) order by data_hash;
create or replace temp view export_sample as
select * from sample where data_hash in (select data_hash from my_entry) order by data_hash, sample_id, sample_hash;
create or replace temp view export_prompt as
select * from prompt where prompt_hash in (select unnest(prompt_hashes) from my_entry) order by prompt_hash;
create or replace temp view export_cell as
select * from cells where entry_id in (select entry_id from my_entry) order by entry_id, position;
create or replace temp view export_call as
select * from my_call order by call_id;
create or replace temp view export_score as
select * from scores where entry_id in (select entry_id from my_entry) order by entry_id, position, scorer_sig, metric;
create or replace temp view export_entry_scorer as
select * from entry_scorer where entry_id in (select entry_id from my_entry) order by entry_id, place;
create or replace temp view export_signature as
select * from signature
where scorer_sig in (select scorer_sig from entry_scorer where entry_id in (select entry_id from my_entry))
order by scorer_sig;
create or replace temp view export_result as
select * from result where entry_id in (select entry_id from my_entry) order by entry_id, scorer_sig, metric, slice;
create or replace temp view export_cost as
select * from cost where call_id in (select call_id from my_call) order by call_id;
create or replace temp view export_problem as
select * from problem where run_id in (select run_id from wanted) order by problem_id;
