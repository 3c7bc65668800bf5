-- How many answers of an entry are scored, unscorable and errored, per scorer and metric.
select s.scorer_sig, s.metric, count(*) filter (where s.status = 'scored') as scored,
       count(*) filter (where s.status = 'unscorable') as unscorable,
       count(*) filter (where s.status = 'errored') as errored
from scores s join entry_scorer es using (entry_id, scorer_sig)
where s.entry_id = $entry_id
group by s.scorer_sig, s.metric, es.place
order by es.place, s.metric
