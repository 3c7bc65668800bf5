-- What a run (or all runs) spent, by suite, candidate and stage.
select * from cost_by_stage
where $run_id is null or run_id = $run_id
order by run_id, suite, candidate, stage
