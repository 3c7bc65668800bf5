"""The openai and anthropic providers write exact requests and read replies as data, by golden cases."""

from __future__ import annotations

import asyncio
import json
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from evalkit.core.errors import ErrorKind, Finish, MissingComponent
from evalkit.core.keys import canonical_json
from evalkit.core.types import Chat, Generation, Response, Tools
from evalkit.providers import anthropic, openai

CASES = Path(__file__).parent.parent / "cases" / "providers"
REQUESTS = json.loads((CASES / "chat_requests.json").read_text("utf-8"))["cases"]
REPLIES = json.loads((CASES / "chat_replies.json").read_text("utf-8"))["cases"]
STREAMS = json.loads((CASES / "chat_streams.json").read_text("utf-8"))["cases"]
ASK = ({"role": "user", "content": "Hi"},)


class Blobs:
    def put(self, data: bytes, media_type: str) -> Mapping[str, str]:
        raise AssertionError("nothing is stored here")

    def get(self, ref: str | Mapping[str, str]) -> bytes:
        return {"abc": b"\x00\xff?"}[ref["$blob"] if isinstance(ref, Mapping) else ref]


def tools(**secrets: str) -> Tools:
    return Tools(".", Blobs(), lambda template, _variables: template, secrets.get)


def make(api: str, base_url: str = "http://127.0.0.1:9", model: str = "m", **options: Any) -> Chat:
    if api in ("messages", "messages_api"):
        return anthropic.make(tools(), model, base_url=base_url, **options)
    return openai.make(tools(), model, base_url=base_url, api=api, **options)


def generation(values: Mapping[str, Any]) -> Generation:
    return Generation(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


@pytest.mark.parametrize("api", ["chat", "responses", "messages_api"])
@pytest.mark.parametrize("case", REQUESTS, ids=[case["name"] for case in REQUESTS])
def test_requests(case: dict[str, Any], api: str) -> None:
    chat, wanted = make(api), case[api]
    if isinstance(wanted, str):
        with pytest.raises(ValueError, match=wanted):
            chat.request(case["messages"], generation(case["generation"]))
        return
    before = canonical_json(case["messages"])
    request = chat.request(case["messages"], generation(case["generation"]))
    assert json.loads(canonical_json(request.body)) == wanted
    assert chat.request(case["messages"], generation(case["generation"])) == request
    assert canonical_json(case["messages"]) == before


def serve(replies: list[bytes]) -> tuple[Callable[..., Any], list[bytes]]:
    """A server that answers each connection with the next bytes, and what it was sent."""
    got: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        got.append(head + await reader.readexactly(size))
        writer.write(replies.pop(0))
        await writer.drain()
        writer.close()

    async def run(use: Callable[[str], Any]) -> Any:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            return await use(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    return run, got


def http(body: bytes, status: int = 200, kind: str = "application/json", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{extra}\r\n"
    return head.encode() + body


def answer(
    api: str, raw: bytes, *, stream: bool = False, messages: Any = ASK, **options: Any
) -> tuple[Response, bytes]:
    """The record of one reply given as raw bytes on a socket, and the request as it went over the wire."""
    run, got = serve([raw])

    async def use(url: str) -> Response:
        chat = make(api, url, timeout_s=10.0, **options)
        try:
            return await chat.send(chat.request(messages, Generation(stream=stream)))
        finally:
            await chat.close()

    return asyncio.run(run(use)), got[0]


def check(response: Response, case: dict[str, Any]) -> None:
    if "error" in case:
        kind, retryable, status, said = case["error"]
        assert response.error is not None
        assert (response.error.kind, response.error.retryable, response.error.status) == (kind, retryable, status)
        assert said in response.error.message
        assert response.output is None
        return
    wanted = case["record"]
    assert response.error is None
    assert response.output == wanted["output"]
    assert response.finish is Finish(wanted["finish"])
    assert dict(response.usage) == wanted["usage"]
    assert response.model == wanted.get("model")
    assert response.reasoning == wanted.get("reasoning")
    assert response.logprobs == (tuple(wanted["logprobs"]) if "logprobs" in wanted else None)
    assert list(response.tool_calls) == wanted.get("tool_calls", [])
    assert dict(response.meta) == wanted.get("meta", {})


@pytest.mark.parametrize("via", ["lean", "sdk"])
@pytest.mark.parametrize("case", REPLIES, ids=[f"{case['api']} {case['name']}" for case in REPLIES])
def test_replies(case: dict[str, Any], via: str) -> None:
    response, _ = answer(case["api"], http(json.dumps(case["body"]).encode()), via=via, **case.get("options", {}))
    check(response, case)
    assert response.seconds is not None
    assert response.first_token_s is None


@pytest.mark.parametrize("via", ["lean", "sdk"])
@pytest.mark.parametrize("case", STREAMS, ids=[f"{case['api']} {case['name']}" for case in STREAMS])
def test_streams(case: dict[str, Any], via: str) -> None:
    lines = [
        f"event: {e.get('type')}\n" * (case["api"] != "chat") + f"data: {json.dumps(e)}\n\n" for e in case["events"]
    ]
    body = "".join(lines) + case.get("tail", "")
    response, _ = answer(case["api"], http(body.encode(), kind="text/event-stream"), stream=True, via=via)
    check(response, case)
    assert (response.first_token_s is not None) == case.get("first_token", "error" not in case)


def sent(wire: bytes) -> Any:
    return json.loads(wire.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_media_are_materialised_when_they_are_sent(api: str) -> None:
    picture = {"type": "image", "image": {"$blob": "abc", "type": "image/png"}}
    _, wire = answer(api, http(b"{}"), messages=[{"role": "user", "content": [picture]}])
    uri = "data:image/png;base64,AP8/"
    assert (json.dumps(uri) in json.dumps(sent(wire))) == (api != "messages")
    assert (sent(wire)["messages"][0]["content"][0]["source"]["data"] == "AP8/") if api == "messages" else True


def test_sound_is_sent_as_base64_and_text_that_looks_like_a_reference_as_text() -> None:
    sound = {"type": "audio", "audio": {"$blob": "abc", "type": "audio/wav"}}
    text = {"type": "text", "text": '{"$blob": "abc"}'}
    _, wire = answer("chat", http(b"{}"), messages=[{"role": "user", "content": [sound, text]}])
    parts = sent(wire)["messages"][0]["content"]
    assert parts[0]["input_audio"] == {"data": "AP8/", "format": "wav"}
    assert parts[1] == text


def test_a_blob_that_is_gone_is_a_bad_request() -> None:
    chat = make("chat")
    part = {"type": "image", "image": {"$blob": "gone", "type": "image/png"}}
    response = asyncio.run(chat.send(chat.request([{"role": "user", "content": [part]}], Generation())))
    assert response.error is not None
    assert (response.error.kind, response.error.retryable) == (ErrorKind.BAD_REQUEST, False)
    assert "gone" in response.error.message


def test_text_that_is_no_unicode_is_a_bad_request() -> None:
    chat = make("chat")
    response = asyncio.run(chat.send(chat.request([{"role": "user", "content": "\ud800"}], Generation())))
    assert response.error is not None
    assert response.error.kind is ErrorKind.BAD_REQUEST


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_stopped_by_azure_s_filter_is_an_answer(stream: bool) -> None:
    body = {"error": {"code": "content_filter", "message": "filtered", "status": 400}}
    response, _ = answer("chat", http(json.dumps(body).encode(), 400), stream=stream)
    assert response.known
    assert response.finish is Finish.CONTENT_FILTER


def test_headers_on_the_wire() -> None:
    run, got = serve([http(b"{}")] * 2)

    async def use(url: str) -> None:
        keys = tools(OPENAI_API_KEY=" sk-one \n", TEAM="team-7", ANTHROPIC_API_KEY="sk-two")
        one = openai.make(
            keys,
            "m",
            base_url=url + "/v1/",
            organization="org",
            project="proj",
            headers={"X-Team": "$TEAM", "X-Kind": "a"},
        )
        two = anthropic.make(keys, "m", base_url=url + "/v1", betas=["b1", "b2"], headers={"X-Team": "${TEAM}"})
        for chat in (one, two):
            await chat.send(chat.request(ASK, Generation()))
            await chat.close()

    asyncio.run(run(use))
    first, second = (wire.partition(b"\r\n\r\n")[0].lower().split(b"\r\n") for wire in got)
    assert first[0] == b"post /v1/chat/completions http/1.1"
    for line in (b"authorization: bearer sk-one", b"openai-organization: org", b"openai-project: proj"):
        assert line in first
    assert {b"x-team: team-7", b"x-kind: a", b"content-type: application/json"} <= set(first)
    assert second[0] == b"post /v1/messages http/1.1"
    assert {b"x-api-key: sk-two", b"anthropic-version: 2023-06-01", b"anthropic-beta: b1,b2"} <= set(second)


def test_identity_holds_what_decides_the_answer_and_no_key() -> None:
    keys = tools(OPENAI_API_KEY="sk-secret-1", TEAM="sk-secret-2", OTHER="sk-secret-3")
    base = openai.make(keys, "m")
    assert base.request(ASK, Generation()).endpoint == "openai https://api.openai.com/v1/chat/completions"
    assert base.lane == "openai api.openai.com OPENAI_API_KEY"
    assert base.model == "m"
    same = [
        {"timeout_s": 5.0},
        {"organization": "o"},
        {"headers": {"X-Token": "$TEAM"}},
        {"headers": {"x-api-key": "k"}},
    ]
    for options in same:
        assert openai.make(keys, "m", **options).fingerprint == base.fingerprint
    other = [
        {"api": "responses"},
        {"base_url": "https://x.org/v1"},
        {"headers": {"OpenAI-Beta": "b"}},
        {"max_tokens_field": "n"},
    ]
    found = {openai.make(keys, "m", **options).fingerprint for options in other}
    assert len(found | {base.fingerprint, openai.make(keys, "m2").fingerprint}) == 6
    assert openai.make(keys, "m", api_key_env="OTHER").lane != base.lane
    flagged = openai.make(keys, "m", headers={"OpenAI-Beta": "b"}).request(ASK, Generation())
    assert "headers=" in flagged.endpoint
    named = openai.make(keys, "m", base_url="http://127.0.0.1:1234/v1", endpoint="llama.cpp abc")
    assert named.request(ASK, Generation()).endpoint == "openai llama.cpp abc"
    for chat in (base, named):
        assert "secret" not in repr((chat.lane, chat.fingerprint, chat.request(ASK, Generation())))


def test_the_limit_s_field_follows_the_server() -> None:
    keys = tools(OPENAI_API_KEY="k", AZURE_OPENAI_API_KEY="k")
    limit = Generation(max_tokens=3)
    assert openai.make(keys, "m").request(ASK, limit).body["max_completion_tokens"] == 3
    assert make("chat").request(ASK, limit).body["max_tokens"] == 3
    assert make("chat", max_tokens_field="n_predict").request(ASK, limit).body["n_predict"] == 3
    azure = openai.make(keys, "m", azure_endpoint="https://x.openai.azure.com", api_version="v", azure_deployment="d")
    request = azure.request(ASK, limit)
    assert request.body["max_completion_tokens"] == 3
    assert (
        request.endpoint
        == "azure-openai https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=v"
    )
    assert azure.lane == "azure-openai x.openai.azure.com AZURE_OPENAI_API_KEY"
    asyncio.run(azure.close())


def test_anthropic_identity_and_forced_tool() -> None:
    keys = tools(ANTHROPIC_API_KEY="sk-ant-1")
    chat = anthropic.make(keys, "m", structured="tool", max_tokens=10)
    schema = {"type": "object", "properties": {}}
    request = chat.request(ASK, Generation(schema=schema, tools=({"name": "f"},)))
    assert request.endpoint == "anthropic https://api.anthropic.com/v1/messages"
    assert request.body["tool_choice"] == {"type": "tool", "name": "answer"}
    assert request.body["tools"][1]["input_schema"] == schema
    assert request.body["max_tokens"] == 10
    assert "output_config" not in request.body
    cloud = anthropic.make(tools(VERTEX_ACCESS_TOKEN="t0ken"), "m", via="vertex", region="r", project="p")
    assert cloud.lane == "anthropic-vertex r VERTEX_ACCESS_TOKEN"
    assert cloud.request(ASK, Generation()).endpoint == "anthropic-vertex vertex://r/p"
    asyncio.run(cloud.close())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_ulr": "x"}, "unknown option 'base_ulr'; did you mean 'base_url'"),
        ({"api": "completions"}, "'api' must be one of chat, responses"),
        ({"via": "httpx"}, "'via' must be one of lean, sdk"),
        ({"timeout_s": 0}, "'timeout_s' must be above 0"),
        ({"base_url": "api.openai.com"}, "not an http"),
        ({"base_url": "https://u:p@x.org/v1"}, "must not carry a user or password"),
        ({"base_url": "https://x.org/v1?key=1"}, "without '\\?'"),
        ({"base_url": "https://x.org/v1"}, "no key for x.org: set the environment variable OPENAI_API_KEY"),
        ({"api_key_env": "MINE"}, "environment variable MINE"),
        ({"azure_endpoint": "https://x"}, "both options"),
        ({"azure_endpoint": "https://x", "api_version": "v"}, "AZURE_OPENAI_API_KEY"),
        ({"base_url": "http://localhost/v1", "headers": {"X": "$NOPE"}}, "header 'X' needs the environment variable"),
        ({"base_url": "http://localhost/v1", "api_key_env": "CURLY"}, "pasted with quotes"),
    ],
)
def test_wrong_openai_options(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        openai.make(tools(CURLY="sk-“quoted”"), "m", **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "environment variable ANTHROPIC_API_KEY"),
        ({"via": "aws"}, "'via' must be one of lean, sdk, bedrock, vertex"),
        ({"structured": "json"}, "'structured' must be one of"),
        ({"max_tokens": 0}, "above 0"),
        ({"via": "bedrock"}, "needs the option 'region'$"),
        ({"via": "vertex", "region": "r"}, "'region' and 'project'"),
    ],
)
def test_wrong_anthropic_options(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        anthropic.make(tools(), "m", **options)


def test_a_model_is_needed() -> None:
    with pytest.raises(ValueError, match="openai needs a model"):
        openai.make(tools(), None)
    with pytest.raises(ValueError, match="anthropic needs a model"):
        anthropic.make(tools(), "")


def test_tool_arguments_that_are_no_json_cannot_be_sent_to_anthropic() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "name": "f", "arguments": "{x"}]}
    with pytest.raises(ValueError, match="arguments of tool call 'f' are not JSON"):
        make("messages").request([call], Generation())


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda name: monkeypatch.setitem(sys.modules, name, None)


def test_a_missing_sdk_names_the_extra(without: Callable[[str], None]) -> None:
    without("openai")
    without("anthropic")
    with pytest.raises(MissingComponent, match=r"openai SDK is not installed; pip install 'evalkit\[llm\]'"):
        make("chat", via="sdk")
    with pytest.raises(MissingComponent, match="anthropic SDK"):
        make("messages", via="sdk")


def test_entra_sign_in_needs_its_package_and_uses_it(
    without: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"azure_endpoint": "https://x", "api_version": "v", "azure_ad": True}
    without("azure.identity.aio")
    with pytest.raises(MissingComponent, match="azure-identity"):
        openai.make(tools(), "m", **options)

    def provider(credential: str, scope: str) -> Callable[[], str]:
        return lambda: credential + scope

    aio = types.SimpleNamespace(DefaultAzureCredential=lambda: "who ", get_bearer_token_provider=provider)
    for name, module in (("azure", types.ModuleType("azure")), ("azure.identity", types.ModuleType("azure.identity"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "azure.identity.aio", aio)
    chat = openai.make(tools(), "m", **options)
    assert chat.lane == "azure-openai x entra"
    asyncio.run(chat.close())


@pytest.mark.parametrize("stream", [False, True])
def test_a_sign_in_that_fails_is_an_auth_failure(monkeypatch: pytest.MonkeyPatch, stream: bool) -> None:
    class CredentialUnavailableError(Exception):
        pass

    def provider(_credential: Any, _scope: str) -> Callable[[], str]:
        def refuse() -> str:
            raise CredentialUnavailableError("nobody is signed in with sk-not-for-your-eyes")

        return refuse

    aio = types.SimpleNamespace(DefaultAzureCredential=object, get_bearer_token_provider=provider)
    monkeypatch.setitem(sys.modules, "azure.identity.aio", aio)
    monkeypatch.setitem(sys.modules, "azure.identity", types.ModuleType("azure.identity"))
    monkeypatch.setitem(sys.modules, "azure", types.ModuleType("azure"))

    async def run() -> Response:
        chat = openai.make(tools(), "m", azure_endpoint="http://127.0.0.1:9", api_version="v", azure_ad=True)
        try:
            return await chat.send(chat.request(ASK, Generation(stream=stream)))
        finally:
            await chat.close()

    error = asyncio.run(run()).error
    assert error is not None
    assert (error.kind, error.retryable) == (ErrorKind.AUTH, False)
    assert error.message == "CredentialUnavailableError: nobody is signed in with [redacted]"


def test_a_cloud_without_a_token_needs_its_own_library(without: Callable[[str], None]) -> None:
    without("boto3")
    without("google.auth")
    with pytest.raises(MissingComponent, match=r"needs boto3; pip install 'anthropic\[bedrock\]'"):
        anthropic.make(tools(), "m", via="bedrock", region="r")
    with pytest.raises(MissingComponent, match=r"needs google.auth; pip install 'anthropic\[vertex\]'"):
        anthropic.make(tools(), "m", via="vertex", region="r", project="p")
