-- Ranks that hold at once among the entries of one set; a set is named by all that decides its ranks.
create table ranking (
  set_id varchar not null, entry_id varchar not null, scorer_sig varchar not null, metric varchar not null,
  best integer not null, worst integer not null, shrunken double, primary key (set_id, entry_id)
);
