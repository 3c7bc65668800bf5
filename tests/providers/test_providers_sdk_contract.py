"""The lean path and the SDKs must record the same for the same conversations, faults and streams over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Chat, Generation, Response, Tools
from evalkit.providers import anthropic, openai
from evalkit.providers.mock_server import Server, Settings, running

KEY = "sk-contract-0123456789abcdef"
WRONG = "sk-contract-wrong-fedcba98765"
PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(16)
APIS = ("chat", "responses", "messages")
SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["billing", "login"]}, "sum": {"type": "integer"}},
    "required": ["label", "sum"],
    "additionalProperties": False,
}
TOOL = {"name": "route", "description": "Route it.", "parameters": SCHEMA}
SUM = ({"role": "user", "content": "What is 20+22?"},)
TURNS = (
    {"role": "system", "content": "You add."},
    {"role": "user", "content": "What is 1+1?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "Wörks with ünicode 🙂 and </tags>: 7*6?"},
)
SEEN = (
    {
        "role": "user",
        "content": [{"type": "text", "text": "1+2?"}, {"type": "image", "image": {"$blob": "p", "type": "image/png"}}],
    },
)
CALLED = (
    {"role": "user", "content": "Which queue?"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "name": "route", "arguments": '{"sum": 3}'}]},
    {"role": "tool", "tool_call_id": "c1", "content": "queue 3"},
)
CONVERSATIONS: dict[str, tuple[str, Any, Generation]] = {
    "plain": ("mock-perfect", SUM, Generation()),
    "turns": ("mock-perfect", TURNS, Generation(temperature=0.0, max_tokens=64, top_p=0.9)),
    "image": ("mock-perfect", SEEN, Generation()),
    "tool result": ("mock-p50", CALLED, Generation(tools=(TOOL,))),
    "schema": ("mock-perfect", SUM, Generation(schema=SCHEMA)),
    "forced tool": ("mock-perfect", SUM, Generation(tools=(TOOL,), tool_choice={"name": "route"})),
    "any tool": ("mock-perfect", SUM, Generation(tools=(TOOL,), tool_choice="required")),
    "reasoning": ("mock-think-perfect", SUM, Generation()),
    "effort": ("mock-perfect", SUM, Generation(effort="low")),
    "refusal": ("mock-refuses", SUM, Generation()),
    "filter": ("mock-filters", SUM, Generation()),
    "truncated": ("mock-p50", ({"role": "user", "content": "Say something long."},), Generation(max_tokens=2)),
    "extra": ("mock-perfect", SUM, Generation(extra={"metadata": {"suite": "contract"}})),
}


CHATS: dict[Any, Chat] = {}


class Media:
    """The one picture."""

    def put(self, data: bytes, media_type: str) -> Mapping[str, str]:
        raise AssertionError("nothing is stored here")

    def get(self, ref: str | Mapping[str, str]) -> bytes:
        return {"p": PIXEL}[ref["$blob"] if isinstance(ref, Mapping) else ref]


def tools(key: str | None = KEY) -> Tools:
    return Tools(".", Media(), lambda template, _variables: template, lambda _name: key)


def chat(api: str, via: str, url: str, model: str, *, key: str | None = KEY, timeout_s: float = 20.0) -> Chat:
    if api == "messages":
        return anthropic.make(tools(key), model, base_url=url, via=via, timeout_s=timeout_s)
    return openai.make(tools(key), model, base_url=f"{url}/v1", api=api, via=via, timeout_s=timeout_s)


def kept(loop: asyncio.Runner, api: str, via: str, url: str, model: str, **options: Any) -> Chat:
    """A chat of this test run's loop: making an SDK's client takes long."""
    key = (api, via, url, model, *sorted(options.items()))
    if key not in CHATS:
        CHATS[key] = chat(api, via, url, model, **options)
    return CHATS[key]


def both(
    loop: asyncio.Runner, api: str, url: str, case: tuple[str, Any, Generation], **options: Any
) -> tuple[Response, Response]:
    """The lean path's record and the SDK's; each asks twice, so that a broken connection must be left behind."""
    model, messages, generation = case

    async def run(lean: Chat, sdk: Chat) -> tuple[Response, Response]:
        request = lean.request(messages, generation)
        await asyncio.gather(lean.send(request), sdk.send(request))
        return await lean.send(request), await sdk.send(request)

    return loop.run(run(*(kept(loop, api, via, url, model, **options) for via in ("lean", "sdk"))))


def masked(response: Response) -> Response:
    error = response.error and replace(response.error, message="")
    return replace(response, seconds=None, first_token_s=None, error=error)


def same(lean: Response, sdk: Response) -> Response:
    """Demand equal records; returns the lean one."""
    assert masked(lean) == masked(sdk)
    assert (lean.first_token_s is None) == (sdk.first_token_s is None)
    assert lean.seconds is not None
    assert lean.seconds >= (lean.first_token_s or 0) >= 0
    for record in (lean, sdk):
        assert KEY not in repr(record)
        assert WRONG not in repr(record)
    return lean


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner
        for chat in CHATS.values():
            runner.run(chat.close())
        CHATS.clear()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(Settings()) as started:
        yield started


@pytest.fixture
def faulty(server: Server) -> Iterator[Server]:
    yield server
    server.config(**{name: getattr(Settings(), name) for name in Settings.__dataclass_fields__})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", list(CONVERSATIONS))
def test_conversations_are_recorded_equally(
    loop: asyncio.Runner, server: Server, name: str, api: str, stream: bool
) -> None:
    model, messages, generation = CONVERSATIONS[name]
    got = same(*both(loop, api, server.url, (model, messages, replace(generation, stream=stream))))
    assert got.error is None
    assert got.model == model
    assert got.usage["requests"] == 1
    assert got.usage["input_tokens"] > 0
    assert (got.first_token_s is not None) == (stream and name != "filter")
    if name == "turns":
        assert got.output == "42"
    if name == "reasoning" or (name == "effort" and api == "responses"):
        assert got.reasoning == "The question has 14 characters."
        assert got.usage["reasoning_tokens"] == 8
    if name == "refusal":
        assert got.finish is Finish.REFUSAL
    if name == "truncated":
        assert got.finish is Finish.LENGTH
    if name in ("forced tool", "any tool"):
        assert got.finish is Finish.TOOL_CALLS
        assert [call["name"] for call in got.tool_calls] == ["route"]
        assert '"sum":42' in got.tool_calls[0]["arguments"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_logprobs_are_recorded_equally(loop: asyncio.Runner, server: Server, api: str, stream: bool) -> None:
    case = ("mock-p50", ({"role": "user", "content": "Speak."},), Generation(logprobs=True, stream=stream))
    got = same(*both(loop, api, server.url, case))
    assert got.logprobs is not None
    assert len(got.logprobs) == got.usage["output_tokens"]
    assert all(-2 < value < 0 for value in got.logprobs)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_prompt_caching_is_recorded_equally(loop: asyncio.Runner, server: Server, stream: bool) -> None:
    text = f"Cached {stream} " + "x" * 400
    case = ("mock-perfect", ({"role": "system", "content": text}, *SUM), Generation(cache_prompt=True, stream=stream))
    got = same(*both(loop, "messages", server.url, case))
    assert got.usage["cached_read_tokens"] >= 100
    assert "cached_write_tokens" not in got.usage


FAULTS: dict[str, tuple[dict[str, Any], ErrorKind, bool, int | None, float | None]] = {
    "429": ({"error_rate": 1.0, "error_mix": "429", "retry_after": "7"}, ErrorKind.RATE_LIMITED, True, 429, 7.0),
    "500": ({"error_rate": 1.0, "error_mix": "500"}, ErrorKind.PROVIDER, True, 500, None),
    "503": ({"error_rate": 1.0, "error_mix": "503", "retry_after": "0.5"}, ErrorKind.PROVIDER, True, 503, 0.5),
    "529": ({"error_rate": 1.0, "error_mix": "529", "retry_after": ""}, ErrorKind.PROVIDER, True, 529, None),
    "408": ({"error_rate": 1.0, "error_mix": "408"}, ErrorKind.TIMEOUT, True, 408, None),
    "409": ({"error_rate": 1.0, "error_mix": "409"}, ErrorKind.PROVIDER, True, 409, None),
    "400": ({"error_rate": 1.0, "error_mix": "400"}, ErrorKind.BAD_REQUEST, False, 400, None),
    "403": ({"error_rate": 1.0, "error_mix": "403"}, ErrorKind.AUTH, False, 403, None),
    "disconnect": ({"disconnect_rate": 1.0}, ErrorKind.CONNECTION, True, None, None),
    "malformed": ({"malformed_rate": 1.0}, ErrorKind.MALFORMED, True, None, None),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", list(FAULTS))
def test_faults_are_recorded_equally(loop: asyncio.Runner, faulty: Server, name: str, api: str, stream: bool) -> None:
    settings, kind, retryable, status, wait = FAULTS[name]
    faulty.config(**settings)
    error = same(*both(loop, api, faulty.url, ("mock-perfect", SUM, Generation(stream=stream)))).error
    assert error is not None
    assert (error.kind, error.retryable, error.status, error.retry_after_s) == (kind, retryable, status, wait)
    assert error.message


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
def test_a_stalled_server_is_a_timeout(loop: asyncio.Runner, faulty: Server, api: str, stream: bool) -> None:
    faulty.config(stall_rate=1.0)
    error = same(*both(loop, api, faulty.url, ("mock-perfect", SUM, Generation(stream=stream)), timeout_s=0.15)).error
    assert error is not None
    assert (error.kind, error.retryable, error.message) == (ErrorKind.TIMEOUT, True, "no complete answer within 0.15 s")


@pytest.mark.parametrize("api", APIS)
def test_a_stream_that_pauses_too_long_is_a_timeout(loop: asyncio.Runner, faulty: Server, api: str) -> None:
    faulty.config(token_ms=100.0)
    case = ("mock-p50", ({"role": "user", "content": "Speak."},), Generation(stream=True))
    error = same(*both(loop, api, faulty.url, case, timeout_s=0.15)).error
    assert error is not None
    assert error.kind is ErrorKind.TIMEOUT


@pytest.mark.parametrize(("api", "status"), [("chat", 500), ("responses", 500), ("messages", 529)])
def test_an_error_inside_a_stream_is_typed(loop: asyncio.Runner, faulty: Server, api: str, status: int) -> None:
    faulty.config(stream_error_rate=1.0)
    error = same(*both(loop, api, faulty.url, ("mock-perfect", SUM, Generation(stream=True)))).error
    assert error is not None
    assert (error.kind, error.retryable, error.status) == (ErrorKind.PROVIDER, True, status)
    assert "mock error in a stream" in error.message


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
def test_a_wrong_key_is_an_auth_failure_that_does_not_repeat_it(
    loop: asyncio.Runner, faulty: Server, api: str, stream: bool
) -> None:
    faulty.config(require_key=KEY)
    case = ("mock-perfect", SUM, Generation(stream=stream))
    error = same(*both(loop, api, faulty.url, case, key=WRONG)).error
    assert error is not None
    assert (error.kind, error.retryable, error.status) == (ErrorKind.AUTH, False, 401)
    assert "[redacted]" in error.message
    assert same(*both(loop, api, faulty.url, case)).output == "42"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
def test_unknown_model_and_spent_quota(loop: asyncio.Runner, server: Server, api: str, stream: bool) -> None:
    unknown = same(*both(loop, api, server.url, ("no-such-model", SUM, Generation(stream=stream)))).error
    assert unknown is not None
    assert (unknown.kind, unknown.retryable, unknown.status) == (ErrorKind.UNKNOWN_MODEL, False, 404)
    spent = same(*both(loop, api, server.url, ("no-quota", SUM, Generation(stream=stream)))).error
    assert spent is not None
    assert (spent.kind, spent.retryable) == (ErrorKind.RATE_LIMITED, api == "messages")


@pytest.mark.parametrize("api", APIS)
def test_a_server_that_is_down(loop: asyncio.Runner, api: str) -> None:
    with running(Settings()) as gone:
        url = gone.url
    error = same(*both(loop, api, url, ("mock-perfect", SUM, Generation()))).error
    assert error is not None
    assert (error.kind, error.retryable) == (ErrorKind.CONNECTION, True)


def test_both_paths_share_keys_and_lanes(server: Server) -> None:
    for api in APIS:
        lean, sdk = (chat(api, via, server.url, "m") for via in ("lean", "sdk"))
        assert lean.request(SUM, Generation()) == sdk.request(SUM, Generation())
        assert (lean.fingerprint, lean.lane) == (sdk.fingerprint, sdk.lane)
        asyncio.run(lean.close())
        asyncio.run(sdk.close())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_azure_answers_as_openai_does(loop: asyncio.Runner, server: Server, stream: bool) -> None:
    async def run() -> Response:
        one = openai.make(
            tools(), "mock-perfect", azure_endpoint=server.url, api_version="2024-10-21", max_tokens_field="max_tokens"
        )
        try:
            return await one.send(one.request(TURNS, Generation(stream=stream, max_tokens=9)))
        finally:
            await one.close()

    plain = both(loop, "chat", server.url, ("mock-perfect", TURNS, Generation(stream=stream, max_tokens=9)))[0]
    assert masked(asyncio.run(run())) == masked(plain)


@pytest.mark.parametrize(("via", "stream"), [("bedrock", False), ("vertex", False), ("vertex", True)])
def test_clouds_answer_as_anthropic_does(loop: asyncio.Runner, server: Server, via: str, stream: bool) -> None:
    async def run() -> Response:
        one = anthropic.make(
            tools(), "mock-perfect", via=via, base_url=f"{server.url}/v1", region="eu-west-1", project="p"
        )
        try:
            return await one.send(one.request(TURNS, Generation(stream=stream)))
        finally:
            await one.close()

    plain = both(loop, "messages", server.url, ("mock-perfect", TURNS, Generation(stream=stream)))[0]
    assert masked(asyncio.run(run())) == masked(plain)
