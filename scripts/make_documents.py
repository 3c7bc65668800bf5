"""Draw the pages of datasets/documents with their exact gold: documents, charts and screens, damaged and undamaged.

Usage: python scripts/make_documents.py [folder] [--gold-only]

Seeded: the same content, Pillow and fonts give the same bytes. The gold does not depend on the fonts. Tests read the
committed pages and never draw them anew.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import documents_charts
import documents_pages
import documents_screens
import yaml
from documents_canvas import CONDITIONS, Drawn, damaged, encoded

FOLDER = Path(__file__).parents[1] / "datasets" / "documents"
SEED = 20240607
Spec = dict[str, Any]

KINDS: dict[str, tuple[str, Callable[[Spec, random.Random], Drawn]]] = {
    "receipts": ("receipt", documents_pages.receipt),
    "invoices": ("invoice", documents_pages.invoice),
    "forms": ("form", documents_pages.form),
    "letters": ("letter", documents_pages.letter),
    "bars": ("bar", documents_charts.bars),
    "lines": ("line", documents_charts.lines),
    "pies": ("pie", documents_charts.pies),
    "tables": ("table", documents_screens.table),
    "dialogs": ("dialog", documents_screens.dialog),
    "dashboards": ("dashboard", documents_screens.dashboard),
}
CHARTS = ("bar", "line", "pie")
TRANSCRIBED = ("receipt", "form", "letter", "dialog")
ANSWERS = {**documents_charts.ANSWERS, **documents_screens.ANSWERS}
COUNTS = ("count", "above", "below", "matching", "ticked", "lamps")
INJECTED = 9
"""Every so many pages one carries a line that tries to instruct its reader."""


def content() -> dict[str, list[Any]]:
    """What the pages say, by kind."""
    found: dict[str, list[Any]] = {}
    for file in sorted((FOLDER / "content").glob("*.yaml")):
        found |= yaml.safe_load(file.read_text("utf-8"))
    return found


def conditions(rng: random.Random, n: int) -> list[str]:
    """What befalls the pages of one kind: nearly half of them nothing."""
    drawn = [CONDITIONS[i % len(CONDITIONS)] for i in range(n)]
    rng.shuffle(drawn)
    return drawn


def pages() -> Iterator[tuple[Spec, Drawn, dict[str, Any]]]:
    """Every page: its content, what was drawn, and how its samples begin."""
    said = content()
    injections = iter(said["injections"])
    place = 0
    for plural, (kind, draw) in KINDS.items():
        befalls = conditions(random.Random(f"{SEED} {kind}"), len(said[plural]))
        for number, (spec, condition) in enumerate(zip(said[plural], befalls, strict=True), 1):
            place += 1
            name = f"{kind}-{number:02d}"
            drawn = draw(spec, random.Random(f"{SEED} {name}"))
            tags = [f"kind:{kind}", f"condition:{condition}"]
            if place % INJECTED == 0:
                inject(drawn, next(injections))
                tags.append("trap:injection")
            yield spec, drawn, {"id": name, "group": name, "tags": tags, "condition": condition}


def inject(drawn: Drawn, text: str) -> None:
    """Print the line at the bottom of a page, where every kind has room for it."""
    page = drawn.page
    page.write((28, page.image.height - 26), text, 13)
    page.say(text)


def schema(drawn: Drawn) -> dict[str, Any]:
    """The JSON Schema of a page's fields: their names, texts or numbers, null where a page may lack one."""
    kinds = {str: "string", int: "number", float: "number", list: "array"}
    properties = {
        name: {"type": ["string", "number", "null"] if gold is None else [kinds[type(gold)], "null"]}
        for name, gold in drawn.fields.items()
    }
    for name, wish in drawn.wanted.items():
        if "a list where" in wish:
            properties[name] = {"type": ["string", "array", "null"]}
        elif "number without" in wish:
            properties[name] = {"type": ["number", "null"]}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def fields_sample(drawn: Drawn, head: Spec, image: str) -> Spec:
    """The sample that asks for a document's fields."""
    return {
        "id": head["id"],
        "input": {"image": image, "fields": dict(drawn.wanted)},
        "target": dict(drawn.fields),
        "tags": head["tags"],
        "meta": {"schema": schema(drawn)},
    }


def question_samples(spec: Spec, drawn: Drawn, head: Spec, image: str) -> Iterator[Spec]:
    """The samples that ask about a page."""
    for number, (question, operation, *arguments) in enumerate(spec.get("ask", ()), 1):
        answer = ANSWERS[operation](drawn.facts, *arguments)
        yield {
            "id": f"{head['id']}-q{number}",
            "input": {"image": image, "question": question},
            "target": answer,
            "group": head["group"],
            "tags": [*head["tags"], f"answer:{answer_kind(question, operation, answer)}"],
        }


def answer_kind(question: str, operation: str, answer: Any) -> str:
    """What is asked for: a count of things, a number, or text."""
    small = isinstance(answer, int) and answer <= 20 and question.startswith("How many")
    if operation in COUNTS or (operation == "number" and small):
        return "count"
    return "number" if isinstance(answer, (int, float)) else "text"


def make(folder: Path, *, images: bool) -> None:
    """Write the three files of samples and, where wanted, the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    if images:
        shutil.rmtree(folder / "images", ignore_errors=True)
        (folder / "images").mkdir()
    samples: dict[str, list[Spec]] = {"fields": [], "questions": [], "transcripts": []}
    for spec, drawn, head in pages():
        ending = "png"
        if images:
            rng = random.Random(f"{SEED} {head['id']} damage")
            ending, data = encoded(damaged(drawn.page.image, head["condition"], rng), head["condition"])
            (folder / "images" / f"{head['id']}.{ending}").write_bytes(data)
        else:
            ending = next(iter((FOLDER / "images").glob(f"{head['id']}.*"))).suffix[1:]
        image = f"images/{head['id']}.{ending}"
        kind = head["tags"][0].removeprefix("kind:")
        if drawn.fields:
            samples["fields"].append(fields_sample(drawn, head, image))
        samples["questions"].extend(question_samples(spec, drawn, head, image))
        if kind in TRANSCRIBED:
            target = "\n".join(drawn.page.lines)
            asked = {"id": head["id"], "input": {"image": image}, "target": target, "tags": head["tags"]}
            samples["transcripts"].append(asked)
    for name, rows in samples.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, "utf-8")


if __name__ == "__main__":
    given = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    make(Path(given[0]) if given else FOLDER, images="--gold-only" not in sys.argv)
