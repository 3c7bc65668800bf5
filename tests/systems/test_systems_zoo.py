"""A scripted zoo of models behind a real socket: known accuracy per kind, price and latency; systems run over it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from aiohttp import web

import evalkit
from evalkit.app.leaderboard import standings
from evalkit.app.routing import Composed
from evalkit.app.workspace import open_workspace
from evalkit.providers.mock_server import Settings, running

# model -> accuracy on easy and on hard questions, and how it answers
ZOO = {"small": (0.92, 0.15), "large": (0.95, 0.9)}
PRICES = [
    {"model": "small", "usd": {"input_tokens": 0.1, "output_tokens": 1}, "dated": "2026-01-01"},
    {"model": "large", "usd": {"input_tokens": 1, "output_tokens": 10}, "dated": "2026-01-01"},
]
PARTS = {"easy": "zoo/small", "hard": "zoo/large"}
ITEMS = 160


def luck(*parts):
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:6], "big") / 2**48


def said(model, text):
    """The last letter of the question's last word, or a wrong one by the model's accuracy for its kind."""
    hard = text.startswith("Hard")
    right = text.split()[-1][-1]
    return right if luck(model, text) < ZOO[model][hard] else "#"


class Animals:
    """The zoo's state: which models are down, and with what; how often each was asked."""

    def __init__(self):
        self.down, self.asked = {}, {}

    async def handle(self, request):
        body = await request.json()
        model, text = body["model"], body["messages"][-1]["content"]
        self.asked[model] = self.asked.get(model, 0) + 1
        down = self.down.get(model)
        if down == "stall":
            await asyncio.sleep(30)
        if down == "cut":
            request.transport.close()
            return web.Response()
        if down:
            return web.json_response({"error": {"message": f"{down} on purpose"}}, status=down)
        message = {"role": "assistant", "content": said(model, text)}
        usage = {"prompt_tokens": len(text) // 4, "completion_tokens": 5}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response(
            {"id": "x", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}
        )


@contextmanager
def zoo():
    animals, loop, ready, found = Animals(), asyncio.new_event_loop(), threading.Event(), {}

    async def serve():
        app = web.Application()
        app.router.add_post("/v1/chat/completions", animals.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found["url"] = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        found["stop"] = asyncio.Event()
        ready.set()
        await found["stop"].wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield found["url"], animals
    finally:
        loop.call_soon_threadsafe(found["stop"].set)
        thread.join(10)
        loop.close()


def write(folder, url, candidates, *, items=ITEMS, prices=PRICES, name="zoo", **suite):
    """A project with questions of two kinds, whose route is known."""
    rows = []
    for n in range(items):
        kind = "hard" if n % 3 == 0 else "easy"
        text = f"{kind.capitalize()} question {n}: what does this end with? word{n * 7919 % 1000}"
        rows.append({"id": f"q{n}", "input": {"text": text}, "target": text[-1], "meta": {"route": kind}})
    (folder / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    provider = {"provider": "openai", "base_url": f"{url}/v1"}
    project = {"candidates": candidates, "providers": {name: provider}, "prices": prices, "defaults": {"retries": 0}}
    (folder / "evalkit.yaml").write_text(yaml.safe_dump(project))
    keys = {
        "name": "s", "family": "systems", "dataset": "d.jsonl", "task": {"prompt": "{{ text }}"},
        "scorers": ["exact_match", "routing", "cost"], **suite,
    }  # fmt: skip
    (folder / "s.yaml").write_text(json.dumps(keys))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    return tmp_path


def composed():
    """The routing and the stages of the newest suite."""
    workspace = open_workspace(Path(), {})
    with workspace.loaded() as connection:
        members = next(iter(standings(connection).values()))
        made = Composed(connection, workspace, members)
        return made.routing(), made.stages()


ROUTERS = {
    "knows": {"system": "router", "parts": PARTS, "rules": [{"when": "^Hard", "to": "hard"}], "default": "easy"},
    "useless": {"system": "random_router", "parts": PARTS},
    "perverse": {"system": "router", "parts": PARTS, "rules": [{"when": "^Hard", "to": "easy"}], "default": "hard"},
    "climbs": {"system": "cascade", "parts": {"steps": ["zoo/small", "zoo/large"]}, "gates": [{"regex": r"^\d$"}]},
}


def test_a_good_router_beats_the_random_mix_and_a_useless_one_does_not(project):
    with zoo() as (url, animals):
        write(project, url, ROUTERS)
        results = evalkit.run("s.yaml", ["zoo/small", "zoo/large", *ROUTERS])
    found, stages = composed()
    assert (found.unit, found.cheapest, found.best) == ("USD", "zoo/small", "zoo/large")
    rows = {row.candidate: row for row in found.rows}
    assert rows["knows"].verdict == "better"
    assert rows["knows"].gain.low > 0
    assert rows["useless"].verdict == "no better"
    assert rows["useless"].gain.low <= 0 <= rows["useless"].gain.high
    assert rows["perverse"].verdict == "worse"
    # The cascade sees at once that "#" is no digit, so it is dear only where the small one failed.
    assert rows["climbs"].verdict == "better"
    assert all(row.regret >= -1e-9 for row in (rows["knows"], rows["useless"], rows["perverse"]))
    # Systems that want the same answer share it.
    assert all(ITEMS <= count < 2.5 * ITEMS for count in animals.asked.values())
    accuracy = {row["candidate"]: row["value"] for row in results.sql(
        "select e.candidate, r.value from result r join entry e using (entry_id)"
        " where metric = 'routing_accuracy' and slice = ''")[1]}  # fmt: skip
    assert (accuracy["knows"], accuracy["perverse"]) == (1, 0)
    assert 0.3 < accuracy["useless"] < 0.7
    assert (accuracy["zoo/small"], accuracy["climbs"]) == (None, None)
    by_stage = {(row.candidate, row.stage): row for row in stages}
    hard = by_stage["knows", "hard"]
    assert (hard.calls, hard.unpriced, hard.failed) == (-(-ITEMS // 3), 0, 0)
    assert hard.usd > by_stage["knows", "easy"].usd > 0


def test_the_report_shows_gain_and_stages(project):
    with zoo() as (url, _):
        write(project, url, ROUTERS, items=90)
        results = evalkit.run("s.yaml", ["zoo/small", "zoo/large", "knows", "useless"])
    page = (Path(results.report()).parent / "suites" / "s.html").read_text("utf-8")
    gains = page[page.index('id="mix"') :]
    assert "Gain over the random mix" in page
    assert "<td>better than the random mix</td>" in gains
    assert "<td>no better than the random mix</td>" in gains
    assert "optimistic" in gains
    assert "Latency p50" in page[page.index('id="stages"') :]


def test_a_price_of_one_stage_that_nobody_knows_makes_the_total_unknown_and_the_rest_is_shown(project):
    with zoo() as (url, _):
        write(project, url, ROUTERS, items=30, prices=PRICES[:1])
        results = evalkit.run("s.yaml", ["zoo/small", "knows"])
    rows = results.sql("select distinct candidate, unknown from (select e.candidate, c.usd is null as unknown"
                       " from cell_cost c join entry e using (entry_id)) order by 1, 2")[1]  # fmt: skip
    assert [(row["candidate"], row["unknown"]) for row in rows] == [
        ("knows", False),
        ("knows", True),
        ("zoo/small", False),
    ]
    found, stages = composed()
    by_stage = {row.stage: row for row in stages}
    assert (by_stage["easy"].unpriced, by_stage["hard"].unpriced) == (0, 10)
    assert by_stage["easy"].usd > 0
    assert [(row.verdict, row.cost, row.gain) for row in found.rows] == [("unknown", None, None)]
    page = (Path(results.report()).parent / "suites" / "s.html").read_text("utf-8")
    assert "price unknown" in page
    assert "10 calls without a price" in page


@pytest.mark.parametrize("down", [429, 503, "stall", "cut"])
def test_a_fallback_over_a_socket(project, down):
    safe = {"system": "fallback", "parts": {"members": ["zoo/large", "zoo/small"]}, "failures": 2, "seconds": 600}
    with zoo() as (url, animals):
        animals.down["large"] = down
        write(project, url, {"safe": safe}, items=6, limits={"concurrency": 1, "timeout_s": 1})
        results = evalkit.run("s.yaml", ["safe"])
    rows = results.sql("select error_kind, meta ->> '$.route' as route, meta ->> '$.down' as down"
                       " from call where ordinal = 0 order by position")[1]  # fmt: skip
    assert [(row["error_kind"], row["route"]) for row in rows] == [(None, "members[1]")] * 6
    # After two failures in a row the broken one is left alone; it was never tried again in one question.
    assert animals.asked["large"] == 2
    assert sum("left alone" in row["down"] for row in rows) == 4


def test_all_providers_down_is_a_failure_that_names_each_and_the_run_goes_on(project):
    safe = {"system": "fallback", "parts": {"members": ["zoo/large", "zoo/small"]}, "failures": 50}
    with zoo() as (url, animals):
        animals.down = {"large": 503, "small": 429}
        write(project, url, {"safe": safe}, items=3, limits={"concurrency": 1, "timeout_s": 5})
        results = evalkit.run("s.yaml", ["safe"])
    rows = results.sql("select error_kind, error_message from call where ordinal = 0")[1]
    assert len(rows) == 3
    for row in rows:
        assert row["error_message"].startswith("all 2 members are down: members[0]")
        assert "503 on purpose" in row["error_message"]
        assert "members[1]" in row["error_message"]
    # The score of an answer that failed is its declared worst.
    assert results.sql("select sum(headline_value) as s, count(*) as n from scores where metric = 'exact_match'")[
        1
    ] == [{"s": 0.0, "n": 3}]


def test_a_system_in_a_system_pays_for_all_its_calls(project):
    small = {"system": "random_router", "parts": {"left": "zoo/small", "right": "zoo/small"}}
    outer = {"system": "cascade", "parts": {"steps": ["inner", "zoo/large"]}, "gates": [{"regex": r"^\d$"}]}
    with zoo() as (url, _):
        write(project, url, {"inner": small, "outer": outer}, items=24)
        results = evalkit.run("s.yaml", ["outer"])
    asked = results.sql("select sum(usd) as usd from calls where stage is not null and model in ('small', 'large')")[1][
        0
    ]["usd"]
    assert results.sql("select sum(usd) as usd from cell_cost")[1][0]["usd"] == pytest.approx(asked)
    rows = results.sql("select position, list(ordinal order by ordinal) as o from call group by position")[1]
    assert all(list(row["o"]) == list(range(len(row["o"]))) for row in rows), "calls of a cell are numbered"
    _, stages = composed()
    assert {row.stage for row in stages} == {"steps[0]/left", "steps[0]/right", "steps[1]"}


def test_self_consistency_asks_again_and_again(project):
    voting = {"system": "vote", "parts": {"members": "zoo/small"}, "samples": 3}
    with zoo() as (url, animals):
        write(project, url, {"voting": voting}, items=4)
        results = evalkit.run("s.yaml", ["voting"])
        assert animals.asked == {"small": 12}
        again = evalkit.run("s.yaml", ["voting"])
        assert animals.asked == {"small": 12}, "nothing is asked twice"
    assert results.sql("select count(distinct call_key) as n from call where ordinal > 0")[1] == [{"n": 12}]
    assert all(row["cached"] for row in again.sql(f"select cached from cells where run_id = '{again.run_id}'")[1])


def test_a_council_over_the_mock_server(project):
    council = {"system": "council", "parts": {"writer": "mocked/writer-perfect", "reviewers": ["mocked/a", "mocked/b"]}}
    with running(Settings(latency_ms=20)) as server:
        write(project, server.url, {"council": council}, items=3, name="mocked")
        results = evalkit.run("s.yaml", ["council"])
    rows = results.sql("select stage from call where ordinal > 0 and position = 0 order by ordinal")[1]
    assert [row["stage"] for row in rows] == ["write", "reviewers[0]", "reviewers[1]", "revise"]
    request = results.sql("select request::varchar as r from call where stage = 'revise' limit 1")[1][0]["r"]
    roles = [message["role"] for message in json.loads(request)["messages"]]
    assert roles == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        ({"a": {"system": "router", "parts": {"x": "nobody"}, "default": "x"}}, "there is no candidate 'nobody'"),
        (
            {"a": {"system": "router", "parts": {"x": "b"}, "default": "x"},
             "b": {"system": "cascade", "parts": {"steps": ["a", "keyword"]}}},
            "a system holds itself: a -> b -> a",
        ),
        ({"a": {"system": "router", "parts": {"x": "keyword"}, "default": "y"}}, "default: there is no part 'y'"),
    ],
)  # fmt: skip
def test_wrong_systems_are_named_before_anything_is_asked(project, candidates, words):
    write(project, "http://127.0.0.1:9", candidates, items=2)
    with pytest.raises(evalkit.core.errors.ConfigError, match=words) as caught:
        evalkit.run("s.yaml", ["a"])
    assert any(problem.line for problem in caught.value.problems)
