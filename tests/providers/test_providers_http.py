from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Candidate, Closes, Sample, Sends, Tools
from evalkit.providers import http

SAMPLE = Sample(
    "s1", {"text": 'say "hi"', "n": 3, "photo": {"$blob": "ab", "type": "image/png"}}, "secret", tags=("t",)
)
CTX = SimpleNamespace(repeat=1)
KEY = "key-that-nobody-may-see"


class OneBlob:
    def get(self, ref):
        if ref["$blob"] != "ab":
            raise KeyError(ref["$blob"])
        return b"picture"


def render(template, variables):
    if "{{ gone }}" in template:
        raise ValueError("variable 'gone' is not defined")
    for name in ("text", "n"):
        template = template.replace(f"{{{{ input.{name} }}}}", str(variables["input"].get(name)))
        template = template.replace(f"{{{{ input.{name} | tojson }}}}", json.dumps(variables["input"].get(name)))
    return template.replace("{{ sample.id }}", variables["sample"]["id"]).replace(
        "{{ repeat }}", str(variables["repeat"])
    )


TOOLS = Tools(".", OneBlob(), render, {"MY_KEY": KEY}.get)


@asynccontextmanager
async def serving(reply, seen):
    async def handle(request):
        body = await request.read()
        seen.append((request.method, request.path_qs, dict(request.headers), json.loads(body) if body else None))
        return reply() if callable(reply) else web.json_response(reply)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


def ask(reply, path="/ask", sample=SAMPLE, **options):
    seen = []

    async def asking():
        async with serving(reply, seen) as base:
            candidate = http.make(TOOLS, "bot", url=base + path, **options)
            try:
                return await candidate.answer(sample, CTX)
            finally:
                await candidate.close()

    return asyncio.run(asking()), seen


def test_asks_by_template_and_reads_by_path():
    found, seen = ask(
        {"choices": [{"text": "hello"}], "meta": {"tokens in": 5, "out": 2.5}},
        "/ask/{{ sample.id }}?r={{ repeat }}",
        headers={"Authorization": "Bearer ${MY_KEY}", "X-Version": "3"},
        body={
            "q": "{{ input.text }}",
            "list": ["{{ input.n }}", 4, None, True],
            "row": {"$json": "[{{ input.n | tojson }}]"},
        },
        output="choices[0].text",
        usage={"input_tokens": 'meta["tokens in"]', "output_tokens": "$.meta.out"},
    )
    ((method, path, headers, body),) = seen
    assert (method, path) == ("POST", "/ask/s1?r=1")
    assert (headers["Authorization"], headers["X-Version"]) == (f"Bearer {KEY}", "3")
    assert body == {"q": 'say "hi"', "list": ["3", 4, None, True], "row": [3]}
    assert (found.output, found.usage) == ("hello", {"requests": 1, "input_tokens": 5, "output_tokens": 2.5})
    assert found.error is None
    assert found.seconds > 0


def test_without_a_path_the_reply_is_the_answer():
    assert ask({"a": [1]}, method="GET")[0].output == {"a": [1]}
    found, seen = ask(lambda: web.Response(text="plain ü"), method="GET")
    assert (found.output, seen[0][0], seen[0][3]) == ("plain ü", "GET", None)


def test_files_are_sent_and_never_stand_in_the_request():
    body = {"image": {"$base64": "photo"}, "again": [{"$base64": "input.photo"}]}
    _, seen = ask({}, body=body)
    picture = base64.b64encode(b"picture").decode()
    assert seen[0][3] == {"image": picture, "again": [picture]}
    request = http.make(TOOLS, url="http://h/", body=body).request(SAMPLE, 0)
    assert request.body["body"]["image"] == {"$base64": {"$blob": "ab", "type": "image/png"}}
    missing = Sample("s2", {"photo": {"$blob": "zz"}})
    assert ask({}, body=body, sample=missing)[0].error.kind is ErrorKind.BAD_REQUEST
    plain = Sample("s3", {"photo": "x.png"})
    assert "'photo' is not a stored file" in ask({}, body=body, sample=plain)[0].error.message


def test_the_request_is_exact_and_holds_no_key():
    candidate = http.make(
        TOOLS, "bot", url="https://h.example/a", headers={"X-Api-Key": "${MY_KEY}"}, body={"t": "{{ input.text }}"}
    )
    assert isinstance(candidate, Candidate)
    assert isinstance(candidate, Sends)
    assert isinstance(candidate, Closes)
    request = candidate.request(SAMPLE, 0)
    assert request.endpoint == "http POST https://h.example/a"
    assert request.body == {"headers": {"X-Api-Key": "${MY_KEY}"}, "body": {"t": 'say "hi"'}}
    assert KEY not in repr((request, candidate.fingerprint))
    assert (candidate.name, candidate.model, candidate.lane) == ("bot", "bot", "http h.example")


def test_a_sample_cannot_ask_for_a_key():
    stealing = Sample("s1", {"text": "${MY_KEY}"})
    _, seen = ask({}, body={"t": "{{ input.text }}"}, headers={"X-Api-Key": "${MY_KEY}"}, sample=stealing)
    assert seen[0][3] == {"t": "${MY_KEY}"}


def test_a_missing_key_stops_the_candidate():
    failed, seen = ask({}, headers={"X-Api-Key": "${OTHER}"})
    assert (failed.error.kind, seen) == (ErrorKind.AUTH, [])
    assert failed.error.kind.stops_candidate
    assert "OTHER is not set" in failed.error.message


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (lambda: web.json_response({"error": f"slow down {KEY}"}, status=429, headers={"retry-after": "3"}), ErrorKind.RATE_LIMITED, "slow down"),
        (lambda: web.json_response({"error": "no"}, status=401), ErrorKind.AUTH, "no"),
        (lambda: web.Response(text="oops", status=500), ErrorKind.PROVIDER, "oops"),
        ({"choices": []}, ErrorKind.MALFORMED, "has no 0 where the path asks"),
        ({"choices": {"a": 1}}, ErrorKind.MALFORMED, "has no 0"),
        ({"other": KEY}, ErrorKind.MALFORMED, "has no 'choices'"),
        ([1], ErrorKind.MALFORMED, "has no 'choices'"),
        ({"choices": ["x"], "n": "many"}, ErrorKind.MALFORMED, "says 'many' where the number of input_tokens"),
        ({"choices": ["x"], "n": True}, ErrorKind.MALFORMED, "says True"),
    ],
)  # fmt: skip
def test_failures(reply, kind, said):
    found, _ = ask(reply, output="choices[0]", usage={"input_tokens": "n"}, headers={"X-Api-Key": "${MY_KEY}"})
    assert found.error.kind is kind
    assert said in found.error.message
    assert KEY not in found.error.message
    assert (found.output, found.seconds > 0) == (None, True)
    assert found.error.retry_after_s == (3 if kind is ErrorKind.RATE_LIMITED else None)


def test_nobody_there():
    async def asking():
        async with serving({}, []) as base:
            pass
        candidate = http.make(TOOLS, base)
        found = await candidate.answer(SAMPLE, CTX)
        await candidate.close()
        return found

    assert asyncio.run(asking()).error.kind is ErrorKind.CONNECTION


@pytest.mark.parametrize(
    "options", [{"body": "{{ gone }}"}, {"body": {"$json": "{{ input.text }}"}}, {"path": "/{{ gone }}"}]
)
def test_a_request_that_cannot_be_made(options):
    found, seen = ask({}, **options)
    assert (found.error.kind, seen) == (ErrorKind.BAD_REQUEST, [])
    assert found.error.message.startswith("sample 's1': ")


def test_what_is_no_json_is_not_sent():
    found, seen = ask({}, body={"$json": "NaN"})
    assert (found.error.kind, seen) == (ErrorKind.BAD_REQUEST, [])


def test_fingerprint_follows_what_is_asked():
    def fingerprint(**options):
        return http.make(TOOLS, "bot", **{"url": "http://h/", **options}).fingerprint

    assert fingerprint() == fingerprint(timeout_s=3, usage={"images": "n"})
    different = [
        {"url": "http://i/"},
        {"method": "PUT"},
        {"headers": {"a": "b"}},
        {"body": 1},
        {"output": "a"},
        {"version": 2},
    ]
    assert len({fingerprint(), *(fingerprint(**options) for options in different)}) == 7


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "ftp://h/"}, "url must be"),
        ({"url": "http://me:pw@h/"}, "without a user: 'h'"),
        ({"method": "DELETE"}, "method must be one of"),
        ({"timeout_s": 0}, "timeout_s must be above 0"),
        ({"headers": {"Authorization": "Bearer abc"}}, r"may hold a key: write it as \${NAME}"),
        ({"headers": {"X-Token": "abc"}}, "may hold a key"),
        ({"headers": {"X-Max": 3}}, "header 'X-Max' must be text"),
        ({"usage": {"input_token": "n"}}, "did you mean 'input_tokens'"),
        ({"usage": {"zzzz": "n"}}, "known: requests"),
        ({"output": "a..b"}, "'a..b' is not a path"),
        ({"output": "a[x]"}, "is not a path"),
        ({"ouput": "a"}, "did you mean 'output'"),
    ],
)
def test_refuses_and_says_why(options, said):
    with pytest.raises((ValueError, TypeError), match=said):
        http.make(TOOLS, None, **{"url": "http://h/", **options})


def test_paths():
    assert http.parse_path("$") == http.parse_path("") == ()
    assert http.parse_path("$.a.b-c[0][-1]") == ("a", "b-c", 0, -1)
    assert http.parse_path('a["b.c"][\'d"]\']') == ("a", "b.c", 'd"]')
    assert http.parse_path("$[0].x y") == (0, "x y")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.integers(-3, 9), st.text("abc .[]$", min_size=1, max_size=4)), max_size=4))
def test_paths_read_back(steps):
    text = "$" + "".join(f"[{step}]" if isinstance(step, int) else f'["{step}"]' for step in steps)
    assert http.parse_path(text) == tuple(steps)
