"""Models that think, over real sockets: effort and budgets are sent, reasoning is kept apart, its tokens are counted."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_vendors import vendor

from evalkit.app.query import query
from evalkit.app.workspace import open_workspace
from evalkit.cli.main import main

ROOT = Path(__file__).parents[2]
ITEMS = [json.loads(line) for line in (ROOT / "datasets/reasoning/problems.jsonl").read_text("utf-8").splitlines()]
TARGETS = {item["input"]["text"]: item["target"] for item in ITEMS}


def asked(body):
    """The problem that a request asks, in any of the three shapes."""
    content = (body.get("input") or body["messages"])[-1]["content"]
    return content if isinstance(content, str) else content[0]["text"]


def reply(path, body):
    target = TARGETS[asked(body)]
    said = f"Answer: ${target}$" if "\\" in str(target) else f"Answer: {target}"
    if path == "/v1/responses":
        return {
            "id": "r", "model": "thinker", "status": "completed",
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "I weighed 41 and 42."}]},
                {"type": "message", "content": [{"type": "output_text", "text": said}]},
            ],
            "usage": {"input_tokens": 30, "output_tokens": 120, "output_tokens_details": {"reasoning_tokens": 100}},
        }  # fmt: skip
    if path == "/v1/messages":
        return {
            "id": "m", "model": "muser", "role": "assistant", "type": "message", "stop_reason": "end_turn",
            "content": [{"type": "thinking", "thinking": "Is it 41?", "signature": "s"}, {"type": "text", "text": said}],
            "usage": {"input_tokens": 30, "output_tokens": 70, "output_tokens_details": {"thinking_tokens": 60}},
        }  # fmt: skip
    closed = len(asked(body)) % 2 == 0
    text = f"<think>perhaps {target}</think>{said}" if closed else f"<think>it must be {target}. {said}"
    return {
        "id": "c", "model": "open", "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 50},
    }  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the suite on six problems with candidates at a server; gives (server, rows of an SQL query)."""
    (tmp_path / "datasets").mkdir()
    shutil.copytree(ROOT / "datasets/reasoning", tmp_path / "datasets/reasoning")
    (tmp_path / "suites").mkdir()
    shutil.copy(ROOT / "suites/reasoning.yaml", tmp_path / "suites")
    monkeypatch.chdir(tmp_path)

    def go(*args):
        with pytest.raises(SystemExit) as ended:
            main(list(args))
        assert not ended.value.code, capsys.readouterr()

    def runs(candidates):
        with vendor(reply) as server:
            made = {
                name: {"base_url": f"{server.url}/v1" if spec["provider"] == "openai" else server.url, **spec}
                for name, spec in candidates.items()
            }
            (tmp_path / "evalkit.yaml").write_text(yaml.safe_dump({"candidates": made}))
            named = [word for name in candidates for word in ("-c", name)]
            go("run", "suites/reasoning.yaml", "--yes", "--limit", "6", *named)
        return server, lambda text: query(open_workspace(tmp_path, {}), text)[1]

    return runs


def values(rows, candidate):
    return {row["metric"]: row["value"] for row in rows if row["candidate"] == candidate}


RESULTS = "select e.candidate, r.metric, r.value from result r join entry e using (entry_id) where r.slice = ''"


def test_effort_and_thinking_budgets_are_sent_and_counted(run):
    server, sql = run(
        {
            "thinker": {
                "provider": "openai", "api": "responses", "model": "o9",
                "generation": {"temperature": None, "effort": "high", "max_tokens": 5000},
            },
            "muser": {
                "provider": "anthropic", "model": "c9",
                "generation": {"temperature": None, "thinking_tokens": 2048, "max_tokens": 4096},
            },
        }
    )  # fmt: skip
    responses, messages = server.bodies("/v1/responses"), server.bodies("/v1/messages")
    assert (len(responses), len(messages)) == (6, 6)
    assert all(body["reasoning"] == {"effort": "high"} for body in responses)
    assert all(body["max_output_tokens"] == 5000 and "temperature" not in body for body in responses)
    assert all(body["thinking"] == {"type": "enabled", "budget_tokens": 2048} for body in messages)
    assert all(body["max_tokens"] == 4096 for body in messages)
    rows = sql(RESULTS)
    for name, tokens in (("thinker:plain", 100), ("muser:plain", 60)):
        found = values(rows, name)
        assert found["math_equal"] == 1.0
        assert found["reasoning_tokens"] == tokens
        assert found["solved_within@1000"] == 1.0
    assert values(rows, "thinker:plain")["solved_per_1k_tokens"] == pytest.approx(1000 / 120)
    assert values(rows, "muser:plain")["solved_per_1k_tokens"] == pytest.approx(1000 / 70)
    kept = sql("select distinct reasoning from call order by 1")
    assert [row["reasoning"] for row in kept] == ["I weighed 41 and 42.", "Is it 41?"]
    outputs = sql("select output from call")
    assert not any("41" in row["output"] and "weighed" in row["output"] for row in outputs)


def test_an_unclosed_think_tag_is_no_answer(run):
    server, sql = run({"open": {"provider": "openai", "model": "open", "generation": {"temperature": 0}}})
    closed = sum(len(asked(body)) % 2 == 0 for body in server.bodies("/v1/chat/completions"))
    assert 0 < closed < 6
    found = values(sql(RESULTS), "open:plain")
    assert found["math_equal"] == pytest.approx(closed / 6)
    assert found["reasoning_tokens"] is None
    (row,) = sql("select unscorable from result where metric = 'math_equal' and slice = ''")
    assert row["unscorable"] == 6 - closed
