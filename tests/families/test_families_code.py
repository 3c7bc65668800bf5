"""The suite of programs end to end: its baselines, and chat models over a real socket whose answers hold code or do not."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from evalkit.cli.main import main

ROOT = Path(__file__).parents[2]
PROBLEMS = [json.loads(line) for line in (ROOT / "datasets/code/problems.jsonl").read_text("utf-8").splitlines()]
PLACES = {row["input"]["text"]: place for place, row in enumerate(PROBLEMS)}
KEY = "sk-test-of-code-7731"
RIGHT, WRONG, PROSE, CUT = range(4)


def answer(statement):
    """What the scripted model says about a problem, and how it ends: right, wrong, without code, or cut off."""
    place = PLACES[statement]
    row = PROBLEMS[place]
    if place % 4 == RIGHT:
        return (
            f"Sure! The idea is simple.\n\n```python\n{row['target']['reference']}```\n\nIt prints, for instance:\n```\n42\n```",
            "stop",
        )
    if place % 4 == WRONG:
        return f"```python\n{row['target']['wrong'][0]['code']}```", "stop"
    if place % 4 == PROSE:
        return "First sort the numbers, then look at the middle one.", "stop"
    return f"Here it comes:\n```python\n{row['target']['reference'][:25]}(", "length"


class Server:
    """The two chat APIs, strict about what they are asked; the first request is told to come again."""

    def __init__(self):
        self.asked = Counter()
        self.pushed_back = False

    def statement(self, prompt):
        assert "\nInput:\n" in prompt or "Write the function `def " in prompt, prompt
        assert "Examples:" in prompt
        assert not any(row["target"]["reference"] in prompt for row in PROBLEMS)
        return next(text for text in PLACES if prompt.startswith(text))

    async def openai(self, request):
        body = await request.json()
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.headers["Content-Type"].startswith("application/json")
        assert body["model"] == "coder"
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        assert (body["temperature"], body["max_tokens"]) == (0.2, 1024)
        if not self.pushed_back:
            self.pushed_back = True
            return web.json_response(
                {"error": {"message": "slow down", "type": "requests"}}, status=429, headers={"Retry-After": "0"}
            )
        said, finish = answer(self.statement(body["messages"][1]["content"]))
        self.asked["openai"] += 1
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": finish}
        usage = {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}
        return web.json_response(
            {"id": "c1", "object": "chat.completion", "model": "coder-1", "choices": [choice], "usage": usage}
        )

    async def anthropic(self, request):
        body = await request.json()
        assert request.headers["x-api-key"] == KEY
        assert request.headers["anthropic-version"]
        assert body["model"] == "coder"
        assert "Python 3" in json.dumps(body["system"])
        content = body["messages"][0]["content"]
        prompt = content if isinstance(content, str) else content[0]["text"]
        said, finish = answer(self.statement(prompt))
        self.asked["anthropic"] += 1
        return web.json_response(
            {
                "id": "m1", "type": "message", "role": "assistant", "model": "coder-1", "content": [{"type": "text", "text": said}],
                "stop_reason": {"stop": "end_turn", "length": "max_tokens"}[finish], "stop_sequence": None,
                "usage": {"input_tokens": 50, "output_tokens": 20},
            }
        )  # fmt: skip

    async def refused(self, request):
        return web.json_response({"error": {"message": "no such key", "type": "invalid_request_error"}}, status=401)


@contextmanager
def serving():
    """The server on a free port of 127.0.0.1, in a thread with a loop of its own."""
    server, loop, started = Server(), asyncio.new_event_loop(), threading.Event()
    place = {}

    async def start():
        app = web.Application()
        app.router.add_post("/v1/chat/completions", server.openai)
        app.router.add_post("/v1/messages", server.anthropic)
        app.router.add_post("/refused/v1/chat/completions", server.refused)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        place["port"] = site._server.sockets[0].getsockname()[1]
        place["runner"] = runner
        started.set()

    def run():
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(place["runner"].cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait(60)
    try:
        yield server, f"http://127.0.0.1:{place['port']}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "suites", tmp_path / "suites")
    shutil.copytree(ROOT / "datasets" / "code", tmp_path / "datasets" / "code")
    shutil.copy(ROOT / "evalkit.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments, code=0):
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    said = capsys.readouterr()
    assert ended.value.code == code, said
    return said.out + said.err


def scores(capsys, metric):
    rows = run(
        capsys,
        "sql",
        f"select candidate, sample_id, value, status, reason from scores where metric = '{metric}'",
        "--json",
    )
    return json.loads(rows.strip().splitlines()[-1])


def test_baselines_are_asked_run_and_shown(project, capsys):
    out = run(
        capsys,
        "run",
        "suites/code.yaml",
        "--limit",
        "10",
        "-c",
        "code_search",
        "-c",
        "code_reference",
        "--workers",
        "1",
    )
    assert "code_reference" in out
    found = scores(capsys, "tests_pass")
    assert {row["value"] for row in found if row["candidate"] == "code_reference"} == {1.0}
    searched = [row for row in found if row["candidate"] == "code_search"]
    assert len(searched) == 20
    assert {row["status"] for row in searched} == {"scored"}
    assert all(row["reason"] for row in searched if row["value"] == 0)
    assert len(scores(capsys, "pass@2")) == len(scores(capsys, "lint_clean")) == len(found)
    run(capsys, "report")
    assert (project / "reports" / "index.html").is_file()
    pages = "\n".join(page.read_text("utf-8") for page in (project / "reports").rglob("*.html"))
    assert "wrong answer: test" in pages


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_chat_models_answer_over_a_socket(provider, project, capsys, monkeypatch):
    monkeypatch.setenv("CODE_KEY", KEY)
    with serving() as (server, url):
        base = f"{url}/v1" if provider == "openai" else url
        served = {"provider": provider, "base_url": base, "api_key_env": "CODE_KEY"}
        config = {"candidates": {"coder": {"provider": "served", "model": "coder"}}, "providers": {"served": served}}
        (project / "evalkit.yaml").write_text(yaml.safe_dump(config))
        run(capsys, "run", "suites/code.yaml", "--limit", "12", "-c", "coder", "--workers", "1", "--yes")
        assert server.asked[provider] == 24
    kinds = {row["id"]: place % 4 for place, row in enumerate(PROBLEMS)}
    found = scores(capsys, "tests_pass")
    assert len(found) == 24
    for row in found:
        kind, reason = kinds[row["sample_id"]], row["reason"] or ""
        if kind == RIGHT:
            assert (row["status"], row["value"]) == ("scored", 1.0), row
        elif kind == WRONG:
            assert (row["status"], row["value"]) == ("scored", 0.0), row
            assert "tests fail" in reason
        elif kind == PROSE:
            assert (row["status"], row["value"]) == ("unscorable", None), row
            assert reason.startswith("no code: ")
        else:
            assert (row["status"], row["value"]) == ("scored", 0.0), row
            assert reason.startswith("syntax error: ")
            assert "cut off at the token limit" in reason
    assert len({kinds[row["sample_id"]] for row in found}) == 4


def test_a_wrong_key_is_an_error_of_the_provider_and_no_program_runs(project, capsys, monkeypatch):
    monkeypatch.setenv("CODE_KEY", "wrong")
    with serving() as (_, url):
        served = {"provider": "openai", "base_url": f"{url}/refused/v1", "api_key_env": "CODE_KEY"}
        config = {"candidates": {"coder": {"provider": "served", "model": "coder"}}, "providers": {"served": served}}
        (project / "evalkit.yaml").write_text(yaml.safe_dump(config))
        run(capsys, "run", "suites/code.yaml", "--limit", "2", "-c", "coder", "--workers", "1", "--yes", code=5)
    assert {row["status"] for row in scores(capsys, "tests_pass")} <= {"errored"}


def test_more_repeats_than_there_are_cannot_be_asked_for(project, capsys):
    suite = project / "suites" / "code.yaml"
    suite.write_text(suite.read_text().replace("pass@2(", "pass@5("))
    out = run(capsys, "run", "suites/code.yaml", "-c", "code_search", "--limit", "2", code=2)
    assert "needs 5 repeats of each sample, the suite has 2" in out
    assert "suites/code.yaml:" in out


def test_where_nothing_isolates_candidates_are_skipped_with_the_reason(project, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    out = run(capsys, "run", "suites/code.yaml", "-c", "code_search", "--limit", "2", "--workers", "1", code=5)
    assert "install bubblewrap (Debian: bubblewrap)" in " ".join(out.split())


def test_a_user_may_insist_to_run_programs_without_isolation(project, capsys, monkeypatch, caplog):
    monkeypatch.setenv("PATH", "/nowhere")
    run(capsys, "run", "suites/code.yaml", "-c", "code_reference", "--limit", "2", "--workers", "1", "--unsafe-local")
    assert "WITHOUT isolation" in caplog.text
    assert {row["value"] for row in scores(capsys, "tests_pass")} == {1.0}
    told = json.loads(run(capsys, "sql", "--json", "select entry_id, kind, message from problem"))
    assert [row["kind"] for row in told] == ["sandbox"]
    assert told[0]["message"].startswith("programs run WITHOUT isolation")
    run(capsys, "report")
    pages = [(project / "reports" / kind).glob("*.html") for kind in ("runs", "suites")]
    for page in (page for found in pages for page in found):
        assert "WITHOUT isolation" in page.read_text("utf-8"), page


def test_isolated_runs_are_not_warned_of(project, capsys):
    run(capsys, "run", "suites/code.yaml", "-c", "code_reference", "--limit", "1", "--workers", "1", "--unsafe-local")
    assert json.loads(run(capsys, "sql", "--json", "select count(*) as n from problem")) == [{"n": 0}]


@pytest.mark.nightly
def test_the_whole_suite_with_its_baselines(project, capsys):
    run(
        capsys,
        "run",
        "suites/code.yaml",
        "-c",
        "code_search",
        "-c",
        "code_search(depth=2)",
        "-c",
        "code_reference",
        "--workers",
        "1",
    )
    found = scores(capsys, "tests_pass")
    means = {
        name: [row["value"] for row in found if row["candidate"] == name]
        for name in {row["candidate"] for row in found}
    }
    shares = {name: sum(values) / len(values) for name, values in means.items()}
    assert shares["code_reference"] == 1
    assert 0.1 <= shares["code_search(depth=2)"] <= shares["code_search"] <= 0.6
