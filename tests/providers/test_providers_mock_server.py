"""The mock server: its bodies satisfy the SDKs' own types strictly, its faults and counts are what was asked for."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from evalkit.providers import _mock_world as world
from evalkit.providers.mock_server import Server, Settings, running, serve

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
TOOL = {"name": "route", "parameters": SCHEMA}
CHAT = {"model": "mock-perfect", "messages": [{"role": "user", "content": "What is 2+3?"}]}
RESPONSES = {"model": "mock-perfect", "input": "What is 2+3?"}
MESSAGES = {"model": "mock-perfect", "max_tokens": 99, "messages": [{"role": "user", "content": "What is 2+3?"}]}
CHATS: dict[str, dict[str, Any]] = {
    "plain": {},
    "logprobs": {"logprobs": True},
    "schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
    "json": {"response_format": {"type": "json_object"}},
    "tool": {"tools": [{"type": "function", "function": TOOL}], "tool_choice": "required"},
    "effort": {"reasoning_effort": "low"},
    "short": {"max_tokens": 1, "messages": [{"role": "user", "content": "Speak."}]},
    "refuses": {"model": "mock-refuses"},
    "filters": {"model": "mock-filters"},
}
RESPONSE_KINDS: dict[str, dict[str, Any]] = {
    "plain": {"instructions": "Add."},
    "logprobs": {"include": ["message.output_text.logprobs"]},
    "schema": {"text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}},
    "tool": {"tools": [{"type": "function", **TOOL}], "tool_choice": {"type": "function", "name": "route"}},
    "effort": {"reasoning": {"effort": "low"}},
    "short": {
        "max_output_tokens": 1,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Speak"}]}],
    },
    "refuses": {"model": "mock-refuses"},
    "filters": {"model": "mock-filters"},
}
ANTHROPIC_TOOL = {"name": "route", "input_schema": SCHEMA}
MESSAGE_KINDS: dict[str, dict[str, Any]] = {
    "plain": {"system": "Add."},
    "schema": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "tool": {"tools": [ANTHROPIC_TOOL], "tool_choice": {"type": "tool", "name": "route"}},
    "any": {"tools": [ANTHROPIC_TOOL], "tool_choice": {"type": "any"}},
    "thinking": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    "cached": {"system": [{"type": "text", "text": "x" * 99, "cache_control": {"type": "ephemeral"}}]},
    "short": {"max_tokens": 1, "messages": [{"role": "user", "content": "Speak."}]},
    "refuses": {"model": "mock-refuses"},
    "filters": {"model": "mock-filters"},
}


ADAPTERS: dict[int, TypeAdapter[Any]] = {}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(Settings()) as started:
        yield started


@pytest.fixture
def clean(server: Server) -> Iterator[Server]:
    server.reset()
    yield server
    server.config(**{name: getattr(Settings(), name) for name in Settings.__dataclass_fields__})


def post(server: Server, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, bytes, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, reply.read(), reply.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def strictly(kind: Any, data: bytes | str) -> Any:
    """Validate against an SDK's type: strict types, nothing missing, nothing unknown at any depth."""
    if id(kind) not in ADAPTERS:
        ADAPTERS[id(kind)] = TypeAdapter(kind)
    found = ADAPTERS[id(kind)].validate_json(data, strict=True)
    unknown = list(extras(found, "$"))
    assert not unknown
    return found


def extras(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from (f"{path}.{name}" for name in value.model_extra or ())
        for name in value.model_fields_set & set(type(value).model_fields):
            yield from extras(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from extras(item, path + "[]")


def frames(data: bytes) -> list[tuple[str, str]]:
    found = []
    for block in data.decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields.get("event", ""), fields["data"]))
    return found


@pytest.mark.parametrize("kind", list(CHATS))
def test_chat_completions_satisfy_the_sdk(server: Server, kind: str) -> None:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    body = CHAT | CHATS[kind]
    status, data, _ = post(server, "/v1/chat/completions", body)
    whole = strictly(ChatCompletion, data)
    assert status == 200
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    _, data, headers = post(
        server, "/v1/chat/completions", body | {"stream": True, "stream_options": {"include_usage": True}}
    )
    assert headers["content-type"].startswith("text/event-stream")
    *events, (_, done) = frames(data)
    assert done == "[DONE]"
    chunks = [strictly(ChatCompletionChunk, text) for _, text in events]
    assert chunks[-1].usage == whole.usage
    assert chunks[-1].choices == []
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert said == (whole.choices[0].message.content or "")
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason


def test_a_stream_without_usage_has_none(server: Server) -> None:
    _, data, _ = post(server, "/v1/chat/completions", CHAT | {"stream": True})
    assert b"usage" not in data


def test_reasoning_models_show_their_reasoning_as_vllm_does(server: Server) -> None:
    _, data, _ = post(server, "/v1/chat/completions", CHAT | {"model": "mock-think-perfect"})
    assert json.loads(data)["choices"][0]["message"]["reasoning_content"]


@pytest.mark.parametrize("kind", list(RESPONSE_KINDS))
def test_responses_satisfy_the_sdk(server: Server, kind: str) -> None:
    from openai.types.responses import Response, ResponseStreamEvent

    body = RESPONSES | RESPONSE_KINDS[kind]
    whole = strictly(Response, post(server, "/v1/responses", body)[1])
    events = [
        (name, strictly(ResponseStreamEvent, text))
        for name, text in frames(post(server, "/v1/responses", body | {"stream": True})[1])
    ]
    assert [event.sequence_number for _, event in events] == list(range(len(events)))
    assert all(name == event.type for name, event in events)
    assert events[-1][1].response == whole
    deltas = "".join(event.delta for name, event in events if name == "response.output_text.delta")
    assert deltas == whole.output_text


@pytest.mark.parametrize("kind", list(MESSAGE_KINDS))
def test_messages_satisfy_the_sdk(server: Server, kind: str) -> None:
    from anthropic.types import Message, RawMessageStreamEvent

    body = MESSAGES | MESSAGE_KINDS[kind]
    whole = strictly(Message, post(server, "/v1/messages", body)[1])
    sent = frames(post(server, "/v1/messages", body | {"stream": True})[1])
    assert all(json.loads(text)["type"] == name for name, text in sent)
    events = [strictly(RawMessageStreamEvent, text) for name, text in sent if name != "ping"]
    assert [events[0].type, events[-2].type, events[-1].type] == ["message_start", "message_delta", "message_stop"]
    assert events[-2].delta.stop_reason == whole.stop_reason
    assert events[-2].usage.output_tokens == whole.usage.output_tokens
    texts = [e.delta.text for e in events if e.type == "content_block_delta" and e.delta.type == "text_delta"]
    assert "".join(texts) == "".join(block.text for block in whole.content if block.type == "text")


def test_embeddings_and_models_satisfy_the_sdk(server: Server) -> None:
    from openai.types import CreateEmbeddingResponse, Model

    _, data, _ = post(server, "/v1/embeddings", {"model": "e", "input": ["a", "b", "a"]})
    found = strictly(CreateEmbeddingResponse, data)
    first, second, third = (item.embedding for item in found.data)
    assert len(first) == 64
    assert first == third != second
    assert sum(x * x for x in first) == pytest.approx(1.0)
    one = strictly(
        CreateEmbeddingResponse, post(server, "/v1/embeddings", {"model": "e", "input": "a", "dimensions": 3})[1]
    )
    assert [len(item.embedding) for item in one.data] == [3]
    tokens = strictly(CreateEmbeddingResponse, post(server, "/v1/embeddings", {"model": "e", "input": [1, 2]})[1])
    assert len(tokens.data) == 1
    with urllib.request.urlopen(server.url + "/v1/models") as reply:
        models = [strictly(Model, json.dumps(item)) for item in json.load(reply)["data"]]
    assert "mock-perfect" in {model.id for model in models}


@pytest.mark.parametrize("status", [400, 429, 500, 529])
def test_error_bodies_satisfy_the_sdk(clean: Server, status: int) -> None:
    from anthropic.types.shared import ErrorResponse
    from openai.types.shared import ErrorObject

    clean.config(error_rate=1.0, error_mix=str(status))
    got, data, headers = post(clean, "/v1/messages", MESSAGES)
    assert got == status
    assert headers["retry-after"] == ("1" if status in (429, 529) else None)
    strictly(ErrorResponse, data)
    got, data, _ = post(clean, "/v1/chat/completions", CHAT)
    assert got == status
    strictly(ErrorObject, json.dumps(json.loads(data)["error"]))


def test_answers_are_right_as_often_as_the_name_says() -> None:
    def right(model: str, n: int = 2000) -> float:
        asks = (world.Ask("chat", model, f"What is {i}+7?", f"What is {i}+7?") for i in range(n))
        return sum(world.answer("0", ask).text == str(i + 7) for i, ask in enumerate(asks)) / n

    assert right("mock-perfect") == 1.0
    assert right("x-p85") == pytest.approx(0.85, abs=0.03)
    assert right("x-p0") == 0.0
    assert 0.5 < right("unnamed") < 1.0


def test_the_last_sum_is_answered_and_anything_else_echoed(server: Server) -> None:
    def say(text: str) -> str:
        body = CHAT | {"messages": [{"role": "user", "content": text}]}
        return str(json.loads(post(server, "/v1/chat/completions", body)[1])["choices"][0]["message"]["content"])

    assert say("1+1 is 2, so 7*6?") == "42"
    assert say("What is 3-10?") == "-7"
    assert say("hello").startswith("echo ")
    assert say("hello") == say("hello") != say("hallo")


@given(
    st.recursive(
        st.sampled_from(
            [
                {"type": "string"},
                {"type": "string", "minLength": 3, "maxLength": 5},
                {"type": "integer", "minimum": 3, "maximum": 9},
                {"type": "number"},
                {"type": ["boolean", "null"]},
                {"type": "null"},
                {"const": 4},
                {"enum": ["a", "b"]},
            ]
        ),
        lambda inner: st.one_of(
            inner.map(lambda s: {"type": "array", "items": s, "minItems": 2}),
            inner.map(lambda s: {"anyOf": [s, {"type": "null"}]}),
            st.dictionaries(st.text(max_size=3), inner, max_size=3).map(
                lambda p: {"type": "object", "properties": p, "required": sorted(p), "additionalProperties": False}
            ),
        ),
        max_leaves=6,
    ),
    st.none() | st.integers(-5, 20),
)
@settings(max_examples=50)
def test_instances_satisfy_their_schema(schema: dict[str, Any], number: int | None) -> None:
    jsonschema.validate(world.instance(schema, "salt", number), schema)


def test_an_endless_schema_ends() -> None:
    endless: dict[str, Any] = {"type": "array", "minItems": 1}
    endless["items"] = {"type": "object", "properties": {"next": endless}}
    assert json.dumps(world.instance(endless, "s")).count("next") < 20
    assert world.instance(True, "s") is None


def test_faults_depend_on_the_request_and_not_on_arrival(clean: Server) -> None:
    clean.config(error_rate=0.5, error_mix="429:1,500:1")
    bodies = [CHAT | {"messages": [{"role": "user", "content": f"{i}+1?"}]} for i in range(40)]
    first = [post(clean, "/v1/chat/completions", body)[0] for body in bodies]
    clean.reset()
    again = [post(clean, "/v1/chat/completions", body)[0] for body in reversed(bodies)][::-1]
    assert first == again
    assert set(first) == {200, 429, 500}


def test_attempt_faults_end_after_that_many_attempts(clean: Server) -> None:
    clean.config(error_rate=1.0, error_mix="500", attempt_faults=2)
    assert [post(clean, "/v1/chat/completions", CHAT)[0] for _ in range(4)] == [500, 500, 200, 200]
    stats = clean.stats()
    assert (stats["total"], stats["ok"], stats["unique"], stats["unique_ok"]) == (4, 2, 1, 1)
    assert (stats["repeat"], stats["repeat_ok"], stats["status"]) == (3, 1, {"200": 2, "500": 2})
    assert stats["paths"] == {"chat": 4}
    assert clean.reset()["total"] == 4
    assert clean.stats()["total"] == 0


def test_the_cap_refuses_what_is_too_much_at_once(clean: Server) -> None:
    clean.config(cap=2, latency_ms=150.0, retry_after="3")

    async def one(i: int) -> int:
        body = CHAT | {"messages": [{"role": "user", "content": f"{i}+1?"}]}
        return (await asyncio.to_thread(post, clean, "/v1/chat/completions", body))[0]

    async def many() -> list[int]:
        return await asyncio.gather(*map(one, range(5)))

    assert sorted(asyncio.run(many())) == [200, 200, 429, 429, 429]
    assert clean.stats()["peak_concurrency"] == 3


def test_latency_jitter_and_stream_pace(clean: Server) -> None:
    clean.config(latency_ms=40.0, jitter=0.3, token_ms=10.0)
    start = time.monotonic()
    _, data, _ = post(clean, "/v1/chat/completions", CHAT | {"stream": True})
    assert time.monotonic() - start > 0.03
    assert data.endswith(b"data: [DONE]\n\n")


def test_a_stalled_client_that_leaves_is_counted(clean: Server) -> None:
    clean.config(stall_rate=1.0)
    with socket.create_connection(("127.0.0.1", int(clean.url.rpartition(":")[2]))) as raw:
        body = json.dumps(CHAT).encode()
        raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        until(lambda: clean.stats()["inflight"] == 1)
    until(lambda: clean.stats()["client_gone"] == 1)
    stats = clean.stats()
    assert (stats["inflight"], stats["stalled"], stats["status"]) == (0, 1, {"0": 1})


def until(holds: Any) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def raw(server: Server, *sent: bytes) -> bytes:
    """What comes back to bytes on a bare socket, until the server closes."""
    with closing(socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))) as sock:
        sock.settimeout(10)
        for part in sent:
            sock.sendall(part)
            time.sleep(0.02)
        got = b""
        while piece := sock.recv(65536):
            got += piece
    return got


def test_http_as_clients_write_it(server: Server) -> None:
    body = json.dumps(CHAT).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\n"
    end = b"connection: close\r\n\r\n"
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert b'"content":"5"' in raw(server, head + b"Transfer-Encoding: chunked\r\n" + end + chunked)
    assert b'"content":"5"' in raw(
        server, head + b"transfer-encoding: chunked\r\n" + end, chunked[:3], chunked[3:20], chunked[20:]
    )
    expecting = raw(server, head + b"expect: 100-continue\r\ncontent-length: %d\r\n" % len(body) + end, body)
    assert expecting.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    whole = head + b"content-length: %d\r\n\r\n" % len(body) + body
    assert raw(server, whole + b"GET /health HTTP/1.1\r\n" + end).count(b"HTTP/1.1 200 OK") == 2
    assert b"413 Content Too Large" in raw(server, head + b"content-length: 999999999\r\n\r\n")
    assert raw(server, b"GET /health HTT", b"P/1.1\r\n" + end).endswith(b'{"status":"ok"}')


def test_pipelined_requests_wait_for_each_other(clean: Server) -> None:
    clean.config(latency_ms=30.0)
    body = json.dumps(CHAT).encode()
    one = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n" % len(body)
    got = raw(clean, one + b"\r\n" + body + one + b"connection: close\r\n\r\n" + body)
    assert got.count(b'"content":"5"') == 2
    assert clean.stats()["peak_concurrency"] == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", b"{broken", 400),
        ("/v1/chat/completions", {"messages": []}, 400),
        ("/v1/messages", {"model": "m", "messages": []}, 400),
        ("/v1/nothing", {}, 404),
        ("/config", {"latency": 5}, 400),
        ("/config", {"latency_ms": "fast"}, 400),
        ("/config", b"[]", 400),
        ("/v1/messages", MESSAGES | {"model": "no-such"}, 404),
    ],
)
def test_wrong_requests_are_refused(server: Server, path: str, body: Any, status: int) -> None:
    assert post(server, path, body)[0] == status


def test_unknown_pages(server: Server) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        urllib.request.urlopen(server.url + "/nothing")
    caught.value.close()


def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"unknown setting 'latency'; did you mean 'latency_ms'"):
        Settings().changed({"latency": 1})
    with pytest.raises(ValueError, match=r"'cap' must be int; got 1\.5"):
        Settings().changed({"cap": 1.5})
    assert Settings().changed({"latency_ms": 5}).latency_ms == 5


def test_a_server_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="the mock server did not start"), running():
        pass


def test_serve_runs_in_the_caller_s_loop() -> None:
    async def ask() -> bytes:
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serve(Settings(), ready=port.set_result))
        reader, writer = await asyncio.open_connection("127.0.0.1", await port)
        writer.write(b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n")
        got = await reader.read()
        writer.close()
        await writer.wait_closed()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return got

    assert b'{"status":"ok"}' in asyncio.run(ask())


def test_the_server_dies_with_its_parent() -> None:
    code = (
        "import os,sys,time\nfrom evalkit.providers.mock_server import running\n"
        "with running() as s:\n print(s.pid, flush=True)\n time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    until(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False).stdout[:1] not in (
        b"Z",
        b"",
    )
