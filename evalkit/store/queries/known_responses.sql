-- The newest reusable answer of every wanted key, with all that a scorer needs of it.
with known as (
  select k.call_key, max_by(k.call_id, (k.started, k.call_id)) as call_id
  from call k join wanted w on w.call_key = k.call_key
  where k.error_kind is null and k.generation = $generation
  group by k.call_key
)
select k.call_key, k.call_id, k.model, k.output, k.reasoning, k.error_kind, k.error_message, k.http_status, k.finish,
       k.usage, k.seconds, k.first_token_s, k.logprobs, k.tool_calls, k.trace, k.server_model, k.meta
from known join call k on k.call_id = known.call_id
order by k.call_key
