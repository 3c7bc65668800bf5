"""Image endpoints and job services over real sockets: exact bodies and forms, files by address, and every way to fail."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Candidate, Closes, Sample, Sends, Tools
from evalkit.providers import _fetching, image_job, images

PNG = (Path(__file__).parents[1] / "cases" / "media" / "bands.png").read_bytes()
OTHER = (Path(__file__).parents[1] / "cases" / "media" / "word.png").read_bytes()
KEY = "sk-test-that-nobody-may-see"
CTX = SimpleNamespace(repeat=0)
PROMPT = Sample("s1", {"text": "a flag", "size": "240x160"})


def b64(data):
    return base64.b64encode(data).decode()


class Files:
    def __init__(self):
        self.data = {}

    def put(self, data, media_type):
        name = hashlib.sha256(data).hexdigest()
        self.data[name] = data
        return {"$blob": name, "type": media_type}

    def get(self, ref):
        return self.data[ref["$blob"]]


def ref(data, kind="image/png"):
    return {"$blob": hashlib.sha256(data).hexdigest(), "type": kind}


@asynccontextmanager
async def serving(handle):
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
    finally:
        await runner.cleanup()


def ask(handle, sample=PROMPT, module=images, files=None, model="painter-1", **options):
    files = Files() if files is None else files
    tools = Tools(".", files, lambda template, _: template, {"OPENAI_API_KEY": KEY, "JOB_KEY": KEY}.get)

    async def asking():
        async with serving(handle) as base:
            candidate = module.make(tools, model, base_url=base, **options)
            assert isinstance(candidate, Candidate)
            assert isinstance(candidate, Sends)
            assert isinstance(candidate, Closes)
            try:
                return await candidate.answer(sample, CTX)
            finally:
                await candidate.close()

    return asyncio.run(asking())


def generations(reply, seen=None):
    """Checks what every request must have, and answers."""

    async def handle(request):
        assert (request.method, request.path) == ("POST", "/v1/images/generations")
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.content_type == "application/json"
        body = await request.json()
        if seen is not None:
            seen.append(body)
        return reply(request) if callable(reply) else web.json_response(reply)

    return handle


def test_a_prompt_becomes_a_stored_picture():
    seen = []
    files = Files()
    reply = {"created": 1, "data": [{"b64_json": b64(PNG), "revised_prompt": "a fine flag"}]}
    found = ask(generations(reply, seen), files=files, quality="low", extra={"background": "opaque"})
    assert seen == [{"model": "painter-1", "prompt": "a flag", "n": 1, "size": "240x160", "quality": "low", "background": "opaque"}]  # fmt: skip
    assert found.output == ref(PNG)
    assert files.get(found.output) == PNG
    assert found.usage == {"requests": 1.0, "images": 1.0}
    assert found.finish is Finish.STOP
    assert found.meta == {"revised_prompt": "a fine flag"}
    assert found.seconds > 0


def test_several_pictures_are_a_list_and_are_counted():
    seen = []
    reply = {"data": [{"b64_json": b64(PNG)}, {"b64_json": b64(OTHER)}]}
    found = ask(generations(reply, seen), Sample("s1", {"text": "two"}), n=2, size="64x64")
    assert seen[0]["n"] == 2
    assert seen[0]["size"] == "64x64"
    assert found.output == [ref(PNG), ref(OTHER)]
    assert found.usage == {"requests": 1.0, "images": 2.0}


def test_tokens_are_billed_where_the_price_is_for_them():
    told = {"data": [{"b64_json": b64(PNG)}], "usage": {"input_tokens": 12, "output_tokens": 272, "total_tokens": 284}}
    assert ask(generations(told), bill="tokens").usage == {
        "requests": 1.0,
        "input_tokens": 12.0,
        "output_tokens": 272.0,
    }
    assert ask(generations({"data": told["data"]}), bill="tokens").usage == {"requests": 1.0}


def test_an_address_on_the_same_host_is_fetched_without_the_key():
    async def handle(request):
        if request.path == "/files/a.png":
            assert request.method == "GET"
            assert "Authorization" not in request.headers
            return web.Response(body=PNG, content_type="image/png")
        return web.json_response({"data": [{"url": f"http://{request.host}/files/a.png"}]})

    assert ask(handle, response_format="url").output == ref(PNG)


def test_an_address_elsewhere_is_not_fetched():
    asked = []

    async def other(request):
        asked.append(request.path)
        return web.Response(body=PNG)

    async def both():
        async with serving(other) as elsewhere:

            async def handle(request):
                return web.json_response({"data": [{"url": f"{elsewhere}/a.png"}]})

            async with serving(handle) as base:
                tools = Tools(".", Files(), lambda template, _: template, {}.get)
                candidate = images.make(tools, "painter-1", base_url=base)
                try:
                    return await candidate.answer(PROMPT, CTX)
                finally:
                    await candidate.close()

    found = asyncio.run(both())
    assert found.error.kind is ErrorKind.MALFORMED
    assert "files are fetched from 127.0.0.1:" in found.error.message
    assert asked == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://127.0.0.1/a.png", "//metadata/a.png", "ftp://x/y"])
def test_no_other_scheme_or_port_is_fetched(url):
    found = ask(generations({"data": [{"url": url}]}))
    assert found.error.kind is ErrorKind.MALFORMED
    assert "files are fetched from" in found.error.message


def test_an_edit_is_sent_as_a_form():
    files = Files()
    source = files.put(OTHER, "image/png")

    async def handle(request):
        assert (request.method, request.path) == ("POST", "/v1/images/edits")
        assert request.content_type == "multipart/form-data"
        form = await request.post()
        assert form["image"].file.read() == OTHER
        assert form["image"].filename == "image.png"
        assert form["image"].content_type == "image/png"
        assert {name: form[name] for name in form if name != "image"} == {
            "model": "painter-1", "prompt": "make it dark", "n": "1", "size": "220x80", "extra": '{"a": [1]}',
        }  # fmt: skip
        return web.json_response({"data": [{"b64_json": b64(PNG)}]})

    sample = Sample("s1", {"text": "make it dark", "image": source, "size": "220x80"})
    assert ask(handle, sample, files=files, extra={"extra": {"a": [1]}}).output == ref(PNG)


def test_requests_of_edits_and_prompts_have_different_endpoints():
    tools = Tools(".", Files(), lambda template, _: template, {}.get)
    candidate = images.make(tools, "m", base_url="http://127.0.0.1:1/v1")
    plain = candidate.request(PROMPT, 0)
    edit = candidate.request(Sample("s", {"text": "x", "image": ref(PNG)}), 0)
    assert plain.endpoint.startswith("images http://127.0.0.1:1/v1/images/generations")
    assert edit.endpoint.startswith("images http://127.0.0.1:1/v1/images/edits")
    assert edit.body["image"] == ref(PNG)


@pytest.mark.parametrize("code", ["content_policy_violation", "moderation_blocked"])
def test_a_stopped_prompt_is_an_answer_without_a_picture(code):
    error = {"error": {"message": "not that", "type": "invalid_request_error", "code": code}}
    found = ask(generations(lambda _: web.json_response(error, status=400)))
    assert found.error is None
    assert found.finish is Finish.CONTENT_FILTER
    assert found.output is None


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [(400, ErrorKind.BAD_REQUEST, False), (401, ErrorKind.AUTH, False), (404, ErrorKind.UNKNOWN_MODEL, False), (429, ErrorKind.RATE_LIMITED, True), (500, ErrorKind.PROVIDER, True)],
)  # fmt: skip
def test_statuses_are_typed_failures(status, kind, retryable):
    error = {"error": {"message": f"the model has trouble with {KEY}"}}
    found = ask(generations(lambda _: web.json_response(error, status=status, headers={"Retry-After": "7"})))
    assert (found.error.kind, found.error.retryable, found.error.status) == (kind, retryable, status)
    assert found.error.retry_after_s == (7.0 if retryable else None)
    assert KEY not in found.error.message


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ({}, "no `data` with pictures"),
        ({"data": []}, "no `data` with pictures"),
        ([1], "is list, not an object"),
        ({"data": ["x"]}, "picture 0 of the reply is str"),
        ({"data": [{}]}, "neither b64_json nor url"),
        ({"data": [{"b64_json": "%%%"}]}, "is not base64"),
        ({"data": [{"b64_json": ""}]}, "the file is empty"),
    ],
)
def test_a_reply_that_breaks_its_promise_is_malformed(reply, words):
    found = ask(generations(reply))
    assert found.error.kind is ErrorKind.MALFORMED
    assert words in found.error.message


def test_a_reply_that_is_no_json_is_malformed():
    found = ask(generations(lambda _: web.Response(text="<html>busy")))
    assert found.error.kind is ErrorKind.MALFORMED
    assert "it starts '<html>busy'" in found.error.message


def test_a_file_that_is_too_large_is_malformed(monkeypatch):
    async def handle(request):
        return web.Response(body=PNG) if request.method == "GET" else web.json_response({"data": [{"url": "/a.png"}]})

    monkeypatch.setattr(_fetching, "LARGEST", 100)
    assert "larger than 100 bytes" in ask(handle).error.message


def test_a_file_that_is_gone_is_a_failure():
    async def handle(request):
        if request.method == "GET":
            return web.Response(status=404, text="gone")
        return web.json_response({"data": [{"url": "/files/a.png"}]})

    assert ask(handle).error.status == 404


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "no prompt in input field 'text'"), ({"text": " "}, "no prompt"), ({"text": "x", "image": "a.png"}, "is no stored picture")],
)  # fmt: skip
@pytest.mark.parametrize("module", [images, image_job])
def test_a_sample_that_cannot_be_asked_is_said_so(module, given, words):
    found = ask(generations({}), Sample("s1", given), module)
    assert found.error.kind is ErrorKind.BAD_REQUEST
    assert words in found.error.message


def test_a_missing_source_is_a_failure():
    found = ask(generations({}), Sample("s1", {"text": "x", "image": ref(PNG)}))
    assert found.error.kind is ErrorKind.BAD_REQUEST
    assert "not stored" in found.error.message


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        (images, {"n": 0}, "from 1 to 10"),
        (images, {"response_format": "png"}, "response_format"),
        (images, {"bill": "hours"}, "bill"),
        (images, {"timeout_s": 0}, "timeout_s"),
        (images, {"colour": 1}, "unknown option 'colour'"),
        (image_job, {"poll_s": 0}, "poll_s"),
        (image_job, {"path": "jobs"}, "slash"),
        (image_job, {"result": "[["}, "is not a path"),
        (image_job, {"base_url": ""}, "base_url"),
    ],
)
def test_wrong_options_are_refused(module, options, words):
    tools = Tools(".", Files(), lambda template, _: template, {}.get)
    with pytest.raises(ValueError, match=words):
        module.make(tools, "m", **{"base_url": "http://127.0.0.1:1/v1", **options})


def test_images_needs_a_model_and_a_key():
    tools = Tools(".", Files(), lambda template, _: template, {}.get)
    with pytest.raises(ValueError, match="images needs a model"):
        images.make(tools, None)
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        images.make(tools, "gpt-image-1")


class Jobs:
    """A job service: the first reply, then the states that a job goes through; checks method, address, key and body."""

    def __init__(self, *states, first=None, body=None, headers=True):
        self.states, self.first, self.body, self.headers = list(states), first, body, headers
        self.asked = []

    async def handle(self, request):
        self.asked.append((request.method, request.path))
        if request.path.startswith("/files/"):
            assert "X-Key" not in request.headers
            return web.Response(body=PNG, content_type="image/png")
        if self.headers:
            assert request.headers["X-Key"] == KEY
        if request.method == "POST":
            assert request.path == "/v1/jobs"
            assert request.content_type == "application/json"
            body = await request.json()
            assert self.body is None or body == self.body
            first = {"id": "j7", "status": "queued"} if self.first is None else self.first
            return first if isinstance(first, web.Response) else web.json_response(first)
        state = self.states.pop(0)
        return state if isinstance(state, web.Response) else web.json_response(state)


def job(service, sample=PROMPT, **options):
    options = {"poll_s": 0.01, "headers": {"X-Key": "$JOB_KEY"}, "timeout_s": 5, **options}
    return ask(service.handle, sample, image_job, model="slow-1", **options)


def test_a_job_is_asked_for_until_it_is_done():
    service = Jobs(
        {"status": "queued"}, {"status": "processing"}, {"status": "Succeeded", "output": ["/files/a.png"]},
        body={"model": "slow-1", "prompt": "a flag", "size": "240x160", "seed": 3},
    )  # fmt: skip
    found = job(service, extra={"seed": 3})
    assert found.output == ref(PNG)
    assert found.usage == {"requests": 1.0, "images": 1.0}
    assert found.seconds >= 0.03
    assert service.asked == [("POST", "/v1/jobs"), *[("GET", "/v1/jobs/j7")] * 3, ("GET", "/files/a.png")]


def test_a_job_that_is_done_at_once_is_not_asked_for():
    service = Jobs(first={"status": "done", "output": b64(PNG)})
    assert job(service).output == ref(PNG)
    assert service.asked == [("POST", "/v1/jobs")]


def test_jobs_of_other_shapes_are_described_by_paths():
    first = {"job": {"link": "/v1/state?job=4", "phase": "new"}}
    service = Jobs({"job": {"phase": "over", "images": [{"b64_json": b64(PNG)}, {"url": "/files/b"}]}}, first=first)
    found = job(service, poll="job.link", state="job.phase", result="job.images", done=["over"])
    assert found.output == [ref(PNG), ref(PNG)]
    assert found.usage["images"] == 2.0
    assert service.asked[1] == ("GET", "/v1/state")


def test_a_jpeg_as_base64_is_not_taken_for_an_address():
    jpeg = b"\xff\xd8\xff\xe0" + b"0" * 40
    assert b64(jpeg).startswith("/9j/")
    found = job(Jobs({"status": "done", "output": b64(jpeg)}))
    assert found.output["$blob"] == ref(jpeg)["$blob"]


def test_the_source_of_an_edit_goes_as_base64():
    files = Files()
    sample = Sample("s1", {"text": "dark", "image": files.put(OTHER, "image/png")})
    service = Jobs(
        {"status": "done", "output": b64(PNG)}, body={"model": "slow-1", "prompt": "dark", "image": b64(OTHER)}
    )
    assert job(service, sample, files=files).output == ref(PNG)


def test_a_busy_server_is_asked_again_when_it_says():
    busy = web.json_response({"error": "slow down"}, status=429, headers={"Retry-After": "0.05"})
    service = Jobs(busy, web.Response(status=503), {"status": "done", "output": b64(PNG)})
    found = job(service)
    assert found.output == ref(PNG)
    assert found.seconds >= 0.05


def test_a_job_that_does_not_end_is_a_timeout():
    service = Jobs(*[{"status": "processing"}] * 200)
    found = job(service, timeout_s=0.2, poll_s=0.05)
    assert found.error.kind is ErrorKind.TIMEOUT
    assert "0.2 s" in found.error.message
    assert 2 <= len(service.asked) <= 6


def attempts(service, count, **options):
    """Several attempts of one candidate at the same request, as the engine makes them."""
    tools = Tools(".", Files(), lambda template, _: template, {"JOB_KEY": KEY}.get)

    async def asking():
        async with serving(service.handle) as base:
            settings = {"poll_s": 0.01, "headers": {"X-Key": "$JOB_KEY"}, "timeout_s": 5, **options}
            candidate = image_job.make(tools, "slow-1", base_url=base, **settings)
            request = candidate.request(PROMPT, 0)
            try:
                return [await candidate.send(request) for _ in range(count)]
            finally:
                await candidate.close()

    return asyncio.run(asking())


def test_the_next_attempt_goes_on_with_the_job_that_was_given_away():
    broken = web.Response(status=500, text="oh")
    service = Jobs({"status": "queued"}, broken, {"status": "done", "output": ["/files/a.png"]})
    first, second = attempts(service, 2)
    assert first.error.retryable
    assert second.output == ref(PNG)
    assert [method for method, _ in service.asked].count("POST") == 1


def test_each_repeat_of_a_request_is_a_job_of_its_own():
    service = Jobs(*[{"status": "done", "output": b64(PNG)}] * 2)
    assert [found.output for found in attempts(service, 2)] == [ref(PNG)] * 2
    assert [method for method, _ in service.asked].count("POST") == 2


def test_a_job_that_is_refused_is_not_gone_on_with():
    service = Jobs(web.Response(status=404, text="which job"), {"status": "done", "output": b64(PNG)})
    first, second = attempts(service, 2)
    assert not first.error.retryable
    assert second.output == ref(PNG)
    assert [method for method, _ in service.asked].count("POST") == 2


def test_a_cancelled_wait_is_gone_on_with():
    service = Jobs(*[{"status": "queued"}] * 40, {"status": "done", "output": b64(PNG)})
    tools = Tools(".", Files(), lambda template, _: template, {"JOB_KEY": KEY}.get)

    async def asking():
        async with serving(service.handle) as base:
            candidate = image_job.make(tools, "slow-1", base_url=base, poll_s=0.01, headers={"X-Key": "$JOB_KEY"})
            waiting = asyncio.ensure_future(candidate.send(candidate.request(PROMPT, 0)))
            while len(service.asked) < 3:
                await asyncio.sleep(0.005)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            try:
                return await candidate.send(candidate.request(PROMPT, 0))
            finally:
                await candidate.close()

    assert asyncio.run(asking()).output == ref(PNG)
    assert [method for method, _ in service.asked].count("POST") == 1


def test_a_failed_job_is_a_failure_with_its_reason():
    service = Jobs({"status": "failed", "error": {"message": f"no memory for {KEY}"}})
    found = job(service)
    assert found.error.kind is ErrorKind.PROVIDER
    assert found.error.message.startswith("the job failed: no memory")
    assert KEY not in found.error.message
    assert not found.error.retryable
    assert job(Jobs({"status": "canceled"})).error.message == "the job failed: no reason"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, ErrorKind.AUTH), (429, ErrorKind.RATE_LIMITED), (500, ErrorKind.PROVIDER)]
)
def test_a_job_that_is_not_taken_is_a_typed_failure(status, kind):
    refused = web.json_response({"error": {"message": "no"}}, status=status, headers={"Retry-After": "2"})
    found = job(Jobs(first=refused))
    assert found.error.kind is kind
    assert found.error.retry_after_s == (2.0 if status in (429, 500) else None)


@pytest.mark.parametrize(
    ("service", "words"),
    [
        (lambda: Jobs(first={"status": "queued"}), "has no 'id'"),
        (lambda: Jobs(first={"id": "", "status": "queued"}), "has '' at id"),
        (lambda: Jobs(first={"id": True}), "has True at id"),
        (lambda: Jobs({"status": "done"}), "the finished job has no 'output'"),
        (lambda: Jobs({"status": "done", "output": []}), "has no picture"),
        (lambda: Jobs({"status": "done", "output": [{}]}), "a file as base64 text is needed"),
        (lambda: Jobs({"status": "done", "output": "http://elsewhere.invalid/a.png"}), "files are fetched from"),
        (lambda: Jobs(web.Response(text="soon")), "is not JSON"),
        (lambda: Jobs(web.json_response([1])), "is list, not an object"),
    ],
)
def test_a_service_that_breaks_its_promise_is_malformed(service, words):
    found = job(service())
    assert found.error.kind is ErrorKind.MALFORMED
    assert words in found.error.message


def test_a_job_that_is_forgotten_is_a_failure():
    assert job(Jobs(web.Response(status=404, text="which job"))).error.status == 404


def test_the_jobs_address_is_on_the_same_host():
    found = job(Jobs(first={"id": "1", "link": "http://elsewhere.invalid/1"}), poll="link")
    assert found.error.kind is ErrorKind.MALFORMED
    assert "elsewhere.invalid" in found.error.message


@pytest.mark.parametrize("module", [images, image_job])
def test_what_changes_answers_changes_the_fingerprint(module):
    tools = Tools(".", Files(), lambda template, _: template, {}.get)
    base = {"base_url": "http://127.0.0.1:1/v1"}
    one = module.make(tools, "m", **base)
    assert one.fingerprint == module.make(tools, "m", **base, timeout_s=3).fingerprint
    assert one.fingerprint != module.make(tools, "m", **base, extra={"seed": 1}).fingerprint
    assert one.fingerprint != module.make(tools, "other", **base).fingerprint
    assert json.dumps(one.request(PROMPT, 0).body)
