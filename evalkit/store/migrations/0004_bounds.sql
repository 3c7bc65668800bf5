-- The least and the greatest value that a metric can have, so that no axis runs past them; null = none, or not known.
alter table result add column low_bound double;
alter table result add column high_bound double;
