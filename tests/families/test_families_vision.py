"""The suites of the vision family: asked by the baselines, and over real sockets in three vendors' shapes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import shutil
import struct
import threading
import zlib
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from evalkit.cli.main import main
from evalkit.core.errors import ErrorKind
from evalkit.core.types import Generation, Tools
from evalkit.providers import anthropic, openai

ROOT = Path(__file__).parents[2]
SUITES = ["documents", "document_qa", "transcription"]
PRIMARY = {"documents": "json_f1", "document_qa": "relaxed_accuracy", "transcription": "cer"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "suites", tmp_path / "suites")
    shutil.copytree(ROOT / "datasets" / "documents", tmp_path / "datasets" / "documents")
    shutil.copy(ROOT / "evalkit.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments, code=0):
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    out = capsys.readouterr().out
    assert ended.value.code == code, out
    return out


@pytest.mark.parametrize("suite", SUITES)
def test_ten_pages_are_read_scored_and_shown(project, capsys, suite):
    run(capsys, "run", f"suites/{suite}.yaml", "--limit", "10", "-c", "tesseract_rules", "--workers", "1")
    sql = f"select count(*) as n, avg(value) as mean from scores where metric = '{PRIMARY[suite]}'"
    (found,) = json.loads(run(capsys, "sql", sql, "--json"))
    assert found["n"] == 10
    assert 0.02 < found["mean"] < 0.98


def test_the_demo_asks_both_engines(project, capsys):
    run(capsys, "run", "suites/transcription.yaml", "--demo", "--workers", "1")
    sql = "select count(*) as n, max(value) as worst from scores where metric = 'cer'"
    (found,) = json.loads(run(capsys, "sql", sql, "--json"))
    assert found["n"] == 8
    assert found["worst"] > 0


@pytest.mark.nightly
@pytest.mark.parametrize("suite", SUITES)
def test_whole_suites_are_hard_but_not_hopeless(project, capsys, suite):
    run(capsys, "run", f"suites/{suite}.yaml", "--workers", "1")
    sql = f"select candidate, avg(value) as mean from scores where metric = '{PRIMARY[suite]}' group by 1 order by 1"
    found = {row["candidate"]: row["mean"] for row in json.loads(run(capsys, "sql", sql, "--json"))}
    rapid, tesseract = found["rapidocr_rules"], found["tesseract_rules"]
    if suite == "transcription":
        assert 0.02 < rapid < tesseract < 0.5
    else:
        assert 0.2 < tesseract < rapid < 0.9


# What the vendors' servers would be sent, checked strictly, and answered in their shapes.


def golds():
    """(hash of the picture, question) -> answer."""
    folder = ROOT / "datasets" / "documents"
    found = {}
    for line in (folder / "questions.jsonl").read_text("utf-8").splitlines():
        item = json.loads(line)
        data = (folder / item["input"]["image"]).read_bytes()
        answer = item["target"][0] if isinstance(item["target"], list) else item["target"]
        found[hashlib.sha256(data).hexdigest(), item["input"]["question"]] = str(answer)
    return found


def from_uri(uri):
    head, _, text = uri.partition(";base64,")
    return head.removeprefix("data:"), base64.b64decode(text, validate=True)


def seen_chat(body):
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    text, image = body["messages"][1]["content"]
    assert text["type"] == "text"
    assert set(image) == {"type", "image_url"}
    assert image["type"] == "image_url"
    return text["text"], *from_uri(image["image_url"]["url"])


def seen_responses(body):
    text, image = next(item for item in body["input"] if item["role"] == "user")["content"]
    assert text["type"] == "input_text"
    assert image["type"] == "input_image"
    assert image["detail"] in ("auto", "low", "high")
    return text["text"], *from_uri(image["image_url"])


def seen_messages(body):
    assert isinstance(body["system"], (str, list))
    text, image = body["messages"][0]["content"]
    assert text["type"] == "text"
    assert image["type"] == "image"
    assert set(image["source"]) == {"type", "media_type", "data"}
    assert image["source"]["type"] == "base64"
    return text["text"], image["source"]["media_type"], base64.b64decode(image["source"]["data"], validate=True)


def say_chat(text):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 900, "completion_tokens": 5, "total_tokens": 905}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def say_responses(text):
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": text, "annotations": []}]}  # fmt: skip
    usage = {"input_tokens": 900, "output_tokens": 5, "total_tokens": 905}
    return {"id": "r", "object": "response", "status": "completed", "model": "m", "output": [message], "usage": usage}


def say_messages(text):
    usage = {"input_tokens": 900, "output_tokens": 5}
    return {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": usage}  # fmt: skip


APIS = {
    "/v1/chat/completions": (seen_chat, say_chat),
    "/v1/responses": (seen_responses, say_responses),
    "/v1/messages": (seen_messages, say_messages),
}


class Vendor:
    """A server in a thread that looks at the picture that it is sent, and knows the answer by it."""

    def __init__(self):
        self.known, self.types, self.wrong = golds(), set(), []
        self.loop, self.port = asyncio.new_event_loop(), 0
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    async def reply(self, request):
        read, say = APIS[request.path]
        try:
            question, media_type, data = read(await request.json())
            assert {b"\x89PNG": "image/png", b"\xff\xd8\xff\xe0": "image/jpeg"}[data[:4]] == media_type
            answer = self.known[hashlib.sha256(data).hexdigest(), question]
        except (AssertionError, KeyError, ValueError, TypeError) as error:
            self.wrong.append(repr(error))
            return web.json_response({"error": {"message": repr(error), "type": "invalid_request_error"}}, status=400)
        self.types.add(media_type)
        return web.json_response(say(answer))

    async def start(self):
        app = web.Application(client_max_size=10**8)
        app.add_routes([web.post(path, self.reply) for path in APIS])
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.port = self.runner.addresses[0][1]
        self.ready.set()

    def serve(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.start())
        self.loop.run_forever()
        self.loop.run_until_complete(self.runner.cleanup())
        self.loop.close()

    def __enter__(self):
        self.thread.start()
        self.ready.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


@pytest.mark.parametrize(
    ("provider", "options"),
    [("openai", {"api": "chat"}), ("openai", {"api": "responses"}), ("anthropic", {})],
    ids=["chat", "responses", "messages"],
)
def test_pictures_go_to_vendors_whole_and_in_their_shape(project, capsys, monkeypatch, provider, options):
    monkeypatch.setenv("VISION_KEY", "k-123456789")
    with Vendor() as vendor:
        place = f"http://127.0.0.1:{vendor.port}" + ("/v1" if provider == "openai" else "")
        candidate = {"provider": provider, "model": "m", "base_url": place, "api_key_env": "VISION_KEY", **options}
        (project / "evalkit.yaml").write_text(yaml.safe_dump({"candidates": {"vlm": candidate}}), "utf-8")
        run(capsys, "run", "suites/document_qa.yaml", "-c", "vlm", "--limit", "20", "--yes")
    assert vendor.wrong == []
    assert vendor.types == {"image/png", "image/jpeg"}
    sql = "select metric, count(*) as n, avg(value) as mean from scores where metric in ('relaxed_accuracy', 'anls') group by 1"
    for found in json.loads(run(capsys, "sql", sql, "--json")):
        assert (found["n"], found["mean"]) == (20, 1.0)


class Stored:
    def __init__(self, data):
        self.data = data

    def put(self, data, media_type):
        raise AssertionError("nothing is stored here")

    def get(self, _ref):
        return self.data


def bomb():
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize("provider", [openai, anthropic], ids=["openai", "anthropic"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            b"\x89PNG" + bytes(50_000_000),
            "the image/png file abc has 50,000,004 bytes; more than 50,000,000 are not sent",
        ),
        (bomb(), "the image/png file abc declares 60000 x 60000 pixels; more than 50,000,000 are not sent"),
    ],
    ids=["bytes", "pixels"],
)
def test_a_picture_too_large_is_refused_before_it_is_sent(provider, data, said):
    tools = Tools(
        ".", Stored(data), lambda template, _: template, {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}.get
    )

    async def ask():
        chat = provider.make(tools, "m", base_url="http://127.0.0.1:9")
        part = {"type": "image", "image": {"$blob": "abc", "type": "image/png"}}
        try:
            return await chat.send(chat.request([{"role": "user", "content": [part]}], Generation()))
        finally:
            await chat.close()

    error = asyncio.run(ask()).error
    assert (error.kind, error.retryable) == (ErrorKind.BAD_REQUEST, False)
    assert said in error.message
