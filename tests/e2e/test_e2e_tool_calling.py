"""Tool calling over real sockets: three APIs, requests held against their shapes, malformed arguments, an agent loop."""

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
from evalkit.core.types import Sample
from evalkit.scorers.tool_calls import example_call, wanted

ROOT = Path(__file__).parents[2]
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
RESULTS = "select r.metric, r.value, r.unscorable, r.errored from result r where r.slice = ''"


def items(name):
    return [json.loads(line) for line in (ROOT / "datasets" / name / "samples.jsonl").read_text("utf-8").splitlines()]


REQUESTS = {item["input"]["text"]: item for item in items("tool_calls")}


def spoken(api, calls, words):
    """A reply in the API's own shape; arguments that are text stay as they are."""
    texts = [one["arguments"] if isinstance(one["arguments"], str) else json.dumps(one["arguments"]) for one in calls]
    if api == "chat":
        made = [
            {"id": f"c{n}", "type": "function", "function": {"name": one["name"], "arguments": text}}
            for n, (one, text) in enumerate(zip(calls, texts, strict=True))
        ]
        message = {"role": "assistant", "content": words, **({"tool_calls": made} if made else {})}
        end = "tool_calls" if made else "stop"
        return {"id": "x", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": end}]}
    if api == "responses":
        made = [
            {"type": "function_call", "id": f"f{n}", "call_id": f"c{n}", "name": one["name"], "arguments": text}
            for n, (one, text) in enumerate(zip(calls, texts, strict=True))
        ]
        said = (
            [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": words}]}]
            if words
            else []
        )
        return {"id": "x", "model": "m", "status": "completed", "output": [*said, *made]}
    made = [
        {"type": "tool_use", "id": f"c{n}", "name": one["name"], "input": one["arguments"]}
        for n, one in enumerate(calls)
    ]
    said = [{"type": "text", "text": words}] if words else []
    end = "tool_use" if made else "end_turn"
    return {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [*said, *made],
        "stop_reason": end,
    }


def names_offered(api, body):
    """The tools of a request, each held against the API's shape."""
    names = []
    for tool in body["tools"]:
        inner = tool["function"] if api == "chat" else tool
        assert tool.get("type") == (None if api == "messages" else "function")
        schema = inner["input_schema" if api == "messages" else "parameters"]
        assert schema["type"] == "object"
        assert inner["description"]
        names.append(inner["name"])
    return names


def request_text(body):
    content = (body.get("input") or body["messages"])[-1]["content"]
    return content if isinstance(content, str) else content[0]["text"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a suite with one candidate at a server; gives the server and the rows of an SQL query."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    for name in ("tool_calls", "shop_tasks"):
        shutil.copytree(ROOT / "datasets" / name, tmp_path / "datasets" / name)

    def runs(suite, api, reply, *args, **system):
        spec = yaml.safe_load((ROOT / "suites" / f"{suite}.yaml").read_text("utf-8"))
        spec["task"] = {"system": "Serve.", "prompt": "{{ text }}", "generation": {"temperature": 0, "max_tokens": 99}}
        (tmp_path / "suites").mkdir(exist_ok=True)
        (tmp_path / "suites" / f"{suite}.yaml").write_text(yaml.safe_dump(spec))
        with vendor(reply) as server:
            model = {"provider": "anthropic", "model": "m", "base_url": server.url}
            if api != "messages":
                model = {"provider": "openai", "api": api, "model": "m", "base_url": f"{server.url}/v1"}
            known = {"model": model, "agent": {"system": "tool_loop", "parts": {"policy": "model"}, **system}}
            (tmp_path / "evalkit.yaml").write_text(yaml.safe_dump({"candidates": known}))
            name = "agent" if suite == "agent" else "model"
            with pytest.raises(SystemExit) as ended:
                main(["run", f"suites/{suite}.yaml", "--yes", "-c", name, *args])
        assert not ended.value.code, capsys.readouterr()
        return server, lambda text: query(open_workspace(tmp_path, {}), text)[1]

    return runs


@pytest.mark.parametrize("api", PATHS)
def test_tools_reach_the_model_and_its_calls_come_back(run, api):
    def reply(path, body):
        item = REQUESTS[request_text(body)]
        assert names_offered(api, body) == [tool["name"] for tool in item["input"]["tools"]]
        calls = [call._asdict() for call in map(example_call, wanted(Sample("s", item["input"], item["target"])))]
        return spoken(api, calls, None if calls else "Which one do you mean?")

    server, sql = run("tool_calls", api, reply)
    assert len(server.bodies(PATHS[api])) == len(REQUESTS)
    values = {row["metric"]: row["value"] for row in sql(RESULTS)}
    assert (values["tool_match"], values["tool_precision"], values["tool_recall"]) == (1.0, 1.0, 1.0)
    kept = sql("select tool_calls from call where tool_calls is not null limit 1")
    assert "arguments" in str(kept[0]["tool_calls"])


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_malformed_arguments_fail_and_the_run_goes_on(run, api):
    def reply(path, body):
        return spoken(api, [{"name": names_offered(api, body)[0], "arguments": '{"city": "Lis'}], None)

    _, sql = run("tool_calls", api, reply, "--limit", "6")
    (row,) = [row for row in sql(RESULTS) if row["metric"] == "tool_match"]
    assert (row["value"], row["unscorable"], row["errored"]) == (0.0, 0, 0)
    reasons = sql("select distinct reason from score where metric = 'tool_match'")
    assert all("no JSON object" in row["reason"] for row in reasons)


def played(api, body):
    """How many calls were made before, and whether their results stand where the API wants them."""
    said = body.get("input") or body["messages"]
    if api == "chat":
        calls = [call["id"] for message in said for call in message.get("tool_calls") or ()]
        results = [message["tool_call_id"] for message in said if message["role"] == "tool"]
    elif api == "responses":
        calls = [one["call_id"] for one in said if one.get("type") == "function_call"]
        results = [one["call_id"] for one in said if one.get("type") == "function_call_output"]
    else:
        blocks = [block for message in said if message["role"] != "system" for block in message["content"]]
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert [message["role"] for message in said] == ["user", "assistant"] * (len(said) // 2) + ["user"]
    assert calls == results
    return len(calls)


@pytest.mark.parametrize("api", PATHS)
def test_an_agent_plays_its_tasks(run, api):
    tasks = {item["input"]["text"]: item for item in items("shop_tasks")}

    def reply(path, body):
        assert "cancel_order" in names_offered(api, body)
        said = body.get("input") or body["messages"]
        first = next(one for one in said if one["role"] == "user")["content"]
        task = tasks[first if isinstance(first, str) else first[0]["text"]]
        done, actions = played(api, body), task["meta"]["actions"]
        if done < len(actions):
            return spoken(api, [actions[done]], None)
        return spoken(api, [], f"Done: {', '.join(task['target']['says'])}.")

    server, sql = run("agent", api, reply, "--limit", "10")
    values = {row["metric"]: row["value"] for row in sql(RESULTS)}
    assert values["end_state"] == 1.0
    asked = sql("select count(*) as n from call where stage = 'policy'")[0]["n"]
    assert asked == len(server.bodies(PATHS[api]))
    assert asked == pytest.approx(10 * (values["steps"] + 1))
