-- Verdicts that can be made again: what was judged, against what, with which seed, level and number of attempts.
create table gate (
  gate_id varchar primary key, question varchar not null, answers varchar not null, attempt integer not null,
  suite varchar not null, suite_hash varchar not null, candidate varchar not null, candidate_entry varchar not null,
  baseline varchar not null, baseline_entry varchar, anchor varchar, anchor_entry varchar, policy varchar not null,
  outcome varchar not null, code integer not null, alpha double not null, seed bigint not null, resamples bigint not null,
  reasons varchar[] not null, warnings varchar[] not null, version varchar not null, judged timestamptz not null
);
-- `basis` says which numbers a row holds: headline (errors at their worst), dropped (errors left out), anchor.
create table comparison (
  gate_id varchar not null, place integer not null, basis varchar not null, metric varchar not null,
  slice varchar not null, mode varchar not null, margin double not null, floor double, higher_is_better boolean not null,
  gated boolean not null, veto boolean not null, guardrail boolean not null, outcome varchar not null,
  reason varchar not null, notes varchar[] not null, candidate double, baseline double, delta double, low double,
  high double, lower double, upper double, p_value double, p_fail double, p_adjusted double, n bigint, groups bigint,
  method varchar, alpha double, "null" double, se double, df double, se_unpaired double, correlation double,
  better bigint, worse bigint, same bigint, mde double, resamples bigint, seed bigint, paired boolean,
  primary key (gate_id, place, basis)
);
-- The newest row of a name, suite and candidate holds; older ones stay as the record of who was accepted, and why.
create table baseline (
  baseline_id varchar primary key, name varchar not null, suite varchar not null, candidate varchar not null,
  anchor boolean not null, origin varchar not null, run_id varchar, entry_id varchar, gate_id varchar, accepted varchar,
  since timestamptz not null, document json not null
);
-- Samples that decide nothing for a while. A row holds for answers that were asked after it was added.
create table quarantine (
  suite varchar not null, sample_id varchar not null, added timestamptz not null, until date not null,
  reason varchar not null, primary key (suite, sample_id, added)
);
