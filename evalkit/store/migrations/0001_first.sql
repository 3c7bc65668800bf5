-- The big tables (sample, cell, answer, call, score, cost) carry no index: a load is one transaction with its
-- journal_load row and joins against what is there, and an index of random keys would outweigh the rows.
create table run (
  run_id varchar primary key, identity varchar not null, started timestamptz not null, finished timestamptz,
  status varchar not null, command varchar not null, git_commit varchar, git_branch varchar, git_dirty boolean,
  versions json not null
);
create table data_set (
  data_hash varchar primary key, name varchar not null, source json not null, card json,
  samples bigint not null, duplicate_ids bigint not null, duplicate_contents bigint not null
);
create table sample (
  data_hash varchar not null, sample_id varchar not null, sample_hash varchar not null, cluster varchar not null,
  tags varchar[] not null, input json not null, target json, meta json not null
);
create table prompt (prompt_hash varchar primary key, name varchar not null, role varchar not null, body varchar not null);
create table suite (
  suite_hash varchar not null, data_hash varchar not null, task_hash varchar not null, name varchar not null,
  family varchar not null, spec json not null, file varchar, primary key (suite_hash, data_hash)
);
create table entry (
  entry_id varchar primary key, run_id varchar not null, suite varchar not null, suite_hash varchar not null,
  data_hash varchar not null, task_hash varchar not null, family varchar not null, candidate varchar not null,
  fingerprint varchar not null, candidate_spec json not null, prompt_hashes varchar[] not null,
  generation integer not null, seed bigint not null, repeats integer not null, planned bigint not null, plan_id varchar,
  status varchar not null, reason varchar
);
create table cell (
  entry_id varchar not null, position bigint not null, sample_id varchar not null, sample_hash varchar not null,
  repeat integer not null, split_id varchar, call_key varchar not null
);
create table answer (
  entry_id varchar not null, position bigint not null, call_id varchar not null, cached boolean not null
);
create table call (
  call_id varchar not null, call_key varchar not null, generation integer not null, run_id varchar not null,
  entry_id varchar, position bigint, ordinal integer not null, stage varchar, lane varchar, model varchar,
  endpoint varchar, request json, output json, reasoning varchar, error_kind varchar, error_message varchar,
  http_status integer, finish varchar, usage json not null, seconds double, first_token_s double, logprobs json,
  tool_calls json, trace json, attempts integer not null, started timestamptz, server_model varchar, meta json
);
create table signature (
  scorer_sig varchar primary key, spec varchar not null, version integer not null, libraries json not null,
  extraction varchar
);
create table entry_scorer (
  entry_id varchar not null, scorer_sig varchar not null, spec varchar not null, place integer not null,
  primary key (entry_id, scorer_sig)
);
create table score (
  call_id varchar not null, sample_hash varchar not null, scorer_sig varchar not null, metric varchar not null,
  status varchar not null, value double, parts json, worst double, worst_parts json, answer varchar, reason varchar,
  detail json, blob varchar, basis varchar not null default '', opponent varchar not null default '',
  shown_order varchar not null default ''
);
create table result (
  entry_id varchar not null, scorer_sig varchar not null, metric varchar not null, slice varchar not null,
  signature varchar not null, value double, low double, high double, value_dropped double, se double, method varchar,
  n bigint not null, groups bigint not null, planned bigint not null, answered bigint not null, errored bigint not null,
  unscorable bigint not null, scored bigint not null, cached bigint not null, is_primary boolean not null,
  higher_is_better boolean not null, unit varchar not null,
  primary key (entry_id, scorer_sig, metric, slice)
);
create table price (
  price_id varchar primary key, model varchar not null, unit varchar not null, usd double not null, per double not null,
  above_prompt_tokens bigint not null, batch boolean not null, source varchar not null, dated date not null
);
create table cost (call_id varchar not null, usd double, dated varchar not null);
create table journal_load (run_id varchar not null, file varchar not null, bytes bigint not null, primary key (run_id, file));
create table problem (
  problem_id varchar primary key, run_id varchar not null, entry_id varchar, kind varchar not null, message varchar not null
);

create view runs as select * from run;
create view entries as select e.*, r.started, r.finished, r.status as run_status, r.git_commit, r.git_branch
  from entry e join run r using (run_id);
create view cells as
select e.run_id, e.entry_id, e.suite, e.candidate, c.position, c.sample_id, c.sample_hash, c.repeat, c.split_id,
       s.cluster, s.tags, c.call_key, a.call_id, coalesce(a.cached, false) as cached,
       case when k.call_id is null then 'missing' when k.error_kind is not null then 'errored' else 'answered' end as status
from cell c join entry e using (entry_id)
left join answer a using (entry_id, position)
left join call k on k.call_id = a.call_id
left join sample s on s.data_hash = e.data_hash and s.sample_id = c.sample_id and s.sample_hash = c.sample_hash;
create view calls as
select k.*, e.suite, e.candidate, u.usd, u.dated as priced
from call k left join entry e using (entry_id) left join cost u using (call_id);
create view scores as
select c.run_id, c.entry_id, c.suite, c.candidate, c.position, c.sample_id, c.cluster, c.tags, c.repeat, c.split_id, c.cached,
       s.scorer_sig, s.metric, s.status, s.value, s.worst, coalesce(s.value, s.worst) as headline_value, s.parts,
       coalesce(s.parts, s.worst_parts) as headline_parts, s.answer, s.reason, s.detail, s.blob, s.call_id
from cells c join entry_scorer es using (entry_id)
join score s on s.call_id = c.call_id and s.sample_hash = c.sample_hash and s.scorer_sig = es.scorer_sig;
create view leaderboard as
with newest as (
  select entry_id, row_number() over (partition by suite, candidate order by started desc, entry_id desc) as place
  from entries where status = 'complete'
)
select e.suite, e.family, e.candidate, r.metric, r.slice, r.value, r.low, r.high, r.value_dropped, r.method, r.n, r.groups,
       r.planned, r.answered, r.errored, r.unscorable, r.scored, r.cached, r.is_primary, r.higher_is_better, r.unit,
       r.signature, e.run_id, e.entry_id, e.started
from result r join entries e using (entry_id) join newest n using (entry_id) where n.place = 1;
create view cost_by_stage as
select k.run_id, e.suite, e.candidate, coalesce(k.stage, 'answer') as stage, count(*) as calls,
       sum(u.usd) as usd, count(*) filter (where u.usd is null and k.error_kind is null) as calls_without_price,
       sum(cast(json_extract_string(k.usage, '$.input_tokens') as double)) as input_tokens,
       sum(cast(json_extract_string(k.usage, '$.output_tokens') as double)) as output_tokens
from call k join entry e using (entry_id) left join cost u using (call_id)
group by all;
