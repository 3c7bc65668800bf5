"""A project whose candidates are recordings: what each of them says is decided by how often it is right, and how."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from e2e_world import World

Say = Callable[[str], str]
PLAIN: Say = str
NOWHERE = "http://127.0.0.1:9"


def said(text: str) -> str:
    """An answer in a sentence."""
    return f"Sure! The answer is {text}."


def loud(text: str) -> str:
    """An answer that only a normaliser makes right."""
    return f" {text} !"


def recorded(root: Path, voices: Mapping[str, tuple[float, Say]], count: int = 120, **suite: Any) -> World:
    """A world of sums: name -> share of right answers and how they are said; `suite` is laid over the suite.

    `repeats` answers of each sample are drawn apart; two thirds of the samples are tagged lang:en.
    """
    candidates = {name: {"provider": "replay", "file": f"{name}.jsonl"} for name in voices}
    settings = {
        "name": "sums", "scorers": ["exact_match"], "slices": ["lang"], "candidates": list(voices),
        "dataset": {
            "path": "sums.jsonl",
            "fields": {"id": "id", "input": {"text": "text"}, "target": "target", "tags": ["lang"], "group": "page"},
        },
        **suite,
    }  # fmt: skip
    world = World.build(root, NOWHERE, 1, models=(), project={"candidates": candidates}, suite=settings)
    rows = [
        {"id": f"s{i:03d}", "text": f"How much is {i} + {i * 37 % 101}?", "target": str(i + i * 37 % 101),
         "lang": "de" if i % 3 == 0 else "en", "page": f"p{i // 2 if i % 2 else i}"}
        for i in range(count)
    ]  # fmt: skip
    world.samples(rows)
    for name, (share, say) in voices.items():
        record(world, name, share, say, rows=rows)
    return world


def record(world: World, name: str, share: float, say: Say = PLAIN, *, rows: list[dict[str, Any]]) -> None:
    """Write (again) what a candidate says; the same name and share say the same."""
    chance = random.Random(f"{name} {share}")
    repeats = int(world.suite.get("repeats", 1))
    lines = []
    for row in rows:
        for repeat in range(repeats):
            right = chance.random() < share
            output = say(row["target"]) if right else f"no idea {chance.randint(0, 3)}"
            line = {"id": row["id"], "repeat": repeat, "output": output, "seconds": 0.5, "model": "paid-1"}
            lines.append({**line, "usage": {"input_tokens": 20, "output_tokens": 5}})
    (world.root / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def claims(world: World, listed: list[dict[str, Any]], **defaults: Any) -> str:
    """Write claims.yaml; returns its name."""
    shared = {"suite": "sums", "metric": "exact_match", "source": "a model card", "date": "2026-03-01", **defaults}
    text = yaml.safe_dump({"defaults": shared, "claims": listed}, sort_keys=False)
    (world.root / "claims.yaml").write_text(text, "utf-8")
    return "claims.yaml"
