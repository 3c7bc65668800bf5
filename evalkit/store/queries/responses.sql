-- The wanted calls, with all that a scorer needs of them.
select k.call_key, k.call_id, k.model, k.output, k.reasoning, k.error_kind, k.error_message, k.http_status, k.finish,
       k.usage, k.seconds, k.first_token_s, k.logprobs, k.tool_calls, k.trace, k.server_model, k.meta
from call k join wanted w on w.call_id = k.call_id
order by k.call_id
