-- Of the wanted keys, those with an answer that may be reused, and the newest such call.
select k.call_key, max_by(k.call_id, (k.started, k.call_id)) as call_id
from call k join wanted w on w.call_key = k.call_key
where k.error_kind is null and k.generation = $generation
group by k.call_key
