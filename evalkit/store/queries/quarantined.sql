-- The newest word on each sample of a suite.
select sample_id, added, until::varchar as until, reason from quarantine where suite = $suite
qualify row_number() over (partition by sample_id order by added desc) = 1
order by sample_id
