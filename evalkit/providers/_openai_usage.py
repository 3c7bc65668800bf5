"""OpenAI's usage objects as disjoint unit counts."""

from __future__ import annotations

import msgspec

from evalkit.core.units import Usage


class PromptDetails(msgspec.Struct):
    """What the prompt's tokens were."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class AnswerDetails(msgspec.Struct):
    """What the answer's tokens were."""

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class ChatUsage(msgspec.Struct):
    """Usage of Chat Completions; `prompt_cache_hit_tokens` is DeepSeek's name for cached tokens."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: AnswerDetails | None = None
    prompt_cache_hit_tokens: int | None = None


class ResponsesUsage(msgspec.Struct):
    """Usage of the Responses API."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: PromptDetails | None = None
    output_tokens_details: AnswerDetails | None = None


def chat_units(usage: ChatUsage | None) -> Usage:
    """Unit counts of a chat completion; only `requests` when the server says nothing."""
    if usage is None:
        return {"requests": 1}
    prompt = usage.prompt_tokens_details or PromptDetails()
    if prompt.cached_tokens is None and usage.prompt_cache_hit_tokens is not None:
        prompt.cached_tokens = usage.prompt_cache_hit_tokens
    answer = usage.completion_tokens_details or AnswerDetails()
    return _units(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, prompt, answer)


def responses_units(usage: ResponsesUsage | None) -> Usage:
    """Unit counts of a response of the Responses API; only `requests` when the server says nothing."""
    if usage is None:
        return {"requests": 1}
    prompt = usage.input_tokens_details or PromptDetails()
    answer = usage.output_tokens_details or AnswerDetails()
    return _units(usage.input_tokens, usage.output_tokens, usage.total_tokens, prompt, answer)


def _units(
    asked: int | None, answered: int | None, total: int | None, prompt: PromptDetails, answer: AnswerDetails
) -> Usage:
    read, written = prompt.cached_tokens or 0, prompt.cache_write_tokens or 0
    heard, spoken = prompt.audio_tokens or 0, answer.audio_tokens or 0
    thought = answer.reasoning_tokens or 0
    units: dict[str, float] = {"requests": 1}
    if asked is not None:
        units["input_tokens"] = max(0, asked - read - written - heard)
    if answered is not None:
        # xAI counts reasoning beside the completion, not inside it: then the total says so.
        beside = total is not None and asked is not None and thought > 0 and total == asked + answered + thought
        units["output_tokens"] = max(0, answered - spoken - (0 if beside else thought))
    rest = {
        "cached_read_tokens": read,
        "cached_write_tokens": written,
        "audio_input_tokens": heard,
        "reasoning_tokens": thought,
        "audio_output_tokens": spoken,
    }
    units.update({name: count for name, count in rest.items() if count})
    return units
