"""The local model in the bundled suites: which ways of asking it each text family has, and that each of them works."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from evalkit.cli.main import main

ROOT = Path(__file__).parents[2]
CANDIDATES = yaml.safe_load((ROOT / "evalkit.yaml").read_text("utf-8"))["candidates"]
VARIED = (
    "agent", "code", "entities", "extraction", "intents", "rag", "reasoning", "rewrites", "tickets", "tool_calls",
)  # fmt: skip


def suite_of(name):
    return yaml.safe_load((ROOT / "suites" / f"{name}.yaml").read_text("utf-8"))


def models(names):
    """The candidates among these that ask the local model, with the model's entry and what the system tells it."""
    found = {}
    for name in names:
        entry = CANDIDATES.get(name, {})
        inner = [part for part in entry.get("parts", {}).values() if isinstance(part, str) and "smollm2" in part]
        if "smollm2" in name:
            found[name] = (CANDIDATES[inner[0]] if inner else entry, entry.get("instructions"))
    return found


def form(entry):
    """What an answer must fit beside the suite's schema: a grammar, another format, or None."""
    extra = entry.get("generation", {}).get("extra", {})
    return extra.get("grammar") or extra.get("response_format")


@pytest.mark.parametrize("name", VARIED)
def test_a_text_family_asks_with_two_prompts_and_in_two_forms(name):
    asked = models(suite_of(name)["candidates"])
    assert len({(entry.get("prompt"), told) for entry, told in asked.values()}) > 1
    assert len({json.dumps(form(entry)) for entry, _ in asked.values()}) > 1


@pytest.mark.parametrize("name", VARIED)
def test_a_demonstration_keeps_one_of_them(name):
    suite = suite_of(name)
    assert len(models(suite.get("demo", {}).get("candidates", suite["candidates"]))) <= 1


@pytest.mark.parametrize("name", VARIED)
def test_other_models_are_asked_with_one_prompt(name):
    prompts = suite_of(name)["task"].get("prompts", {})
    assert [key for key, prompt in prompts.items() if not prompt.get("candidates")] in (["plain"], [])
    assert {asked for prompt in prompts.values() for asked in prompt.get("candidates", ())} <= set(CANDIDATES)


@pytest.mark.nightly
@pytest.mark.parametrize("name", [*VARIED, "workload"])
def test_every_way_of_asking_is_answered(name, tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / "suites", tmp_path / "suites")
    shutil.copytree(ROOT / "datasets", tmp_path / "datasets", ignore=shutil.ignore_patterns("*.flac", "*.png"))
    shutil.copy(ROOT / "evalkit.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    asked = list(models(suite_of(name)["candidates"]))
    chosen = [word for one in [*asked, *(["lead_summary"] if name == "rewrites" else [])] for word in ("-c", one)]
    with pytest.raises(SystemExit) as ended:
        main(["run", f"suites/{name}.yaml", "--yes", "-q", "--limit", "3", "--workers", "1", *chosen])
    assert ended.value.code == 0, capsys.readouterr()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["sql", "select count(*) as n, count(error_kind) as failed from calls", "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["n"] >= 3 * len(asked)
    assert row["failed"] == 0
