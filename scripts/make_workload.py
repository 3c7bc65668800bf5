"""Make datasets/workload/queries.jsonl: items of other data sets as they are, and the ambiguous ones that were written.

Usage: python scripts/make_workload.py [folder]

Copied items keep their text, target and group; `meta.origin` names where each comes from, and a test compares them byte
for byte. Which ones are copied is decided by hash, never by position, so that a data set may grow.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from evalkit.core.keys import order_hash

DATASETS = Path(__file__).parents[1] / "datasets"
SEED = 37
Item = Mapping[str, Any]


def _numeric(item: Item) -> bool:
    return "answer:number" in item["tags"]


def _calls(item: Item) -> bool:
    # Where no call is wanted, silence would be right, and every route would score.
    return bool(item["target"].get("calls"))


def _any(item: Item) -> bool:  # noqa: ARG001 - one of several filters
    return True


# route -> file, the field of the words, how many, which
SOURCES: Mapping[str, tuple[str, str, int, Callable[[Item], bool]]] = {
    "classify": ("tickets/samples.jsonl", "text", 52, _any),
    "extract": ("extraction/samples.jsonl", "text", 44, _any),
    "reason": ("reasoning/problems.jsonl", "text", 52, _numeric),
    "search": ("retrieval/queries.jsonl", "query", 52, _any),
    "act": ("tool_calls/samples.jsonl", "text", 36, _calls),
}


def checks_of(route: str, target: Any) -> list[str]:
    """How an item is scored: one check, or one for each field that the target has."""
    if route == "classify":
        return [f"json_fields(fields=['{name}'])" for name in ("category", "priority")]
    if route == "extract":
        options = "normaliser='casefold', tolerance=0.005"
        return [f"json_fields(fields=['{name}'], {options})" for name, value in target.items() if value is not None]
    return {"reason": ["numeric"], "search": ["success@10"], "act": ["tool_calls"]}[route]


def _item(ident: str, route: str, given: Mapping[str, Any], item: Item, told: Mapping[str, Any]) -> dict[str, Any]:
    """A sample of the workload; `told` goes into its meta, and a tag for each but the origin."""
    tags = [f"route:{route}", *(f"{name}:{value}" for name, value in told.items() if name != "origin")]
    return {
        "id": ident,
        "input": given,
        "target": item["target"],
        "group": item.get("group") or ident,
        "tags": tags,
        "meta": {"route": route, **{name: value for name, value in told.items() if name == "origin"}},
        "checks": checks_of(route, item["target"]),
    }


def _read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def copied() -> Iterable[dict[str, Any]]:
    """The items of other data sets."""
    for route, (file, words, count, wanted) in SOURCES.items():
        items = [item for item in _read(DATASETS / file) if wanted(item)]
        items.sort(key=lambda item: order_hash(SEED, item["id"]))
        for item in sorted(items[:count], key=lambda item: item["id"]):
            given = {"text": item["input"][words]}
            if "tools" in item["input"]:
                given["tools"] = item["input"]["tools"]
            told = {"surface": "plain", "origin": f"{file}#{item['id']}"}
            yield _item(f"{route}-{item['id']}", route, given, item, told)


def written() -> Iterable[dict[str, Any]]:
    """The ambiguous items."""
    for item in _read(DATASETS / "workload" / "written.jsonl"):
        told = {"surface": "ambiguous", "looks_like": item["looks_like"]}
        yield _item(item["id"], item["route"], item["input"], item, told)


def main(folder: Path) -> None:
    """Write the workload."""
    lines = [json.dumps(item, ensure_ascii=False) + "\n" for item in (*copied(), *written())]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "queries.jsonl").write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DATASETS / "workload")
