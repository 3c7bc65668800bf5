"""What differs between two sides: prompts, model, parameters, data, scorers, the suite."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.app.sides import Answers
from evalkit.gate.model import Edit

# What the suite says of these stands elsewhere, or decides nothing about the answers.
_ELSEWHERE = ("description", "demo", "candidates", "name", "task")


def edits(baseline: Answers, candidate: Answers) -> tuple[Edit, ...]:
    """Every difference in what the two sides were made of, prompts first."""
    return (*_prompts(baseline, candidate), *_specs(baseline, candidate), *_suites(baseline, candidate))


def _prompts(baseline: Answers, candidate: Answers) -> Iterator[Edit]:
    before, after = (
        {(str(row["role"]), str(row["name"])): str(row["body"]) for row in side.prompts()}
        for side in (baseline, candidate)
    )
    # A prompt that was given another file or name is still the prompt of its role where there is one of it.
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key, ""), after.get(key, "")
        if one != other:
            yield Edit(f"prompt ({key[0]})" if key[1] in ("", key[0]) else f"prompt {key[1]} ({key[0]})", one, other)


def _specs(baseline: Answers, candidate: Answers) -> Iterator[Edit]:
    before, after = (_flat(side.facts["candidate_spec"]) for side in (baseline, candidate))
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield Edit(key, _text(before.get(key)), _text(after.get(key)))
    names = [str(side.facts["candidate"]) for side in (baseline, candidate)]
    if names[0] != names[1]:
        yield Edit("candidate", *names)
    marks = [str(side.facts["fingerprint"]) for side in (baseline, candidate)]
    if before == after and names[0] == names[1] and marks[0] != marks[1]:
        yield Edit("fingerprint of the candidate", *marks)


def _suites(baseline: Answers, candidate: Answers) -> Iterator[Edit]:
    for key, told in (("data_hash", "data"), ("generation", "generation of answers")):
        one, other = (_text(side.facts[key]) for side in (baseline, candidate))
        if one != other:
            yield Edit(told, one, other)
    before, after = (
        {key: value for key, value in (side.facts["spec"] or {}).items() if key not in _ELSEWHERE}
        for side in (baseline, candidate)
    )
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield Edit(f"suite: {key}", _text(before.get(key)), _text(after.get(key)))
    tasks = [(side.facts["spec"] or {}).get("task") or {} for side in (baseline, candidate)]
    for key in sorted({*tasks[0], *tasks[1]} - {"prompt", "prompts", "system", "messages"}):
        if tasks[0].get(key) != tasks[1].get(key):
            yield Edit(f"task: {key}", _text(tasks[0].get(key)), _text(tasks[1].get(key)))


def _flat(spec: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in spec.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and value:
            found.update(_flat(value, f"{name}."))
        else:
            found[name] = value
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
