-- The newest complete entry of every candidate with its results; all slices, the whole set first.
select * from leaderboard
where $suite is null or suite = $suite
order by suite, metric, slice <> '', slice, case when higher_is_better then -value else value end nulls last, candidate
