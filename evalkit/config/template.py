"""The files of a new suite: YAML, prompt, six starter items and their card; one folder of templates per family."""

from __future__ import annotations

import re
from pathlib import Path

from evalkit.core.errors import UsageError, did_you_mean

FOLDER = Path(__file__).parent / "templates"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PLACES = {
    "suite.yaml": "suites/{name}.yaml",
    "prompt.md": "suites/prompts/{name}.md",
    "samples.jsonl": "datasets/{name}/samples.jsonl",
    "card.yaml": "datasets/{name}/card.yaml",
}


def families() -> tuple[str, ...]:
    """Families that there is a template for."""
    return tuple(sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir()))


def new_suite(name: str, family: str, *, schema: str | None = None) -> dict[str, str]:
    """Relative path -> text of a new suite's files; `schema` is where editors find the JSON Schema, if anywhere.

    Raises UsageError for a name that is no file name and for a family without a template.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"{name!r:.80} is no name for a suite: letters, digits, '-' and '_', at most 64")
    if family not in families():
        hint = did_you_mean(family, families()) or f"known: {', '.join(families())}"
        raise UsageError(f"there is no template for family {family!r}; {hint}")
    texts = {place.format(name=name): (FOLDER / family / file).read_text("utf-8") for file, place in _PLACES.items()}
    suite = f"suites/{name}.yaml"
    if schema is not None:
        texts[suite] = f"# yaml-language-server: $schema={schema}\n" + texts[suite]
    return {path: text.replace("__NAME__", name) for path, text in texts.items()}
