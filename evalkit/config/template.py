"""The files of a new suite: YAML, prompt, a few starter items and their card; one folder of templates per family."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.config._yaml import parse
from evalkit.core.errors import UsageError, did_you_mean

FOLDER = Path(__file__).parent / "templates"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MARK = "__NAME__"
_PLACES = {"suite.yaml": "suites/{name}.yaml", "prompt.md": "suites/prompts/{name}.md"}
_CANDIDATES = "candidates.yaml"
_TEXTS = {".yaml", ".md", ".jsonl", ".csv"}
_HEAD = re.compile(r"^candidates:[ \t]*(?:#.*)?\n", re.MULTILINE)
_FIRST = re.compile(r"(?:[ \t]*(?:#.*)?\n)*( +)[^\s#]")


@dataclass(frozen=True, slots=True)
class NewSuite:
    """What a template makes: relative path -> content, and the entries that evalkit.yaml needs under `candidates`."""

    files: Mapping[str, bytes]
    candidates: str = ""


def families() -> tuple[str, ...]:
    """Families that there is a template for."""
    return tuple(sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir()))


def new_suite(name: str, family: str, *, schema: str | None = None) -> NewSuite:
    """A new suite's files; `schema` is where editors find the JSON Schema, if anywhere.

    Raises UsageError for a name that is no file name and for a family without a template.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"{name!r:.80} is no name for a suite: letters, digits, '-' and '_', at most 64")
    if family not in families():
        hint = did_you_mean(family, families()) or f"known: {', '.join(families())}"
        raise UsageError(f"there is no template for family {family!r}; {hint}")
    folder, files, candidates = FOLDER / family, dict[str, bytes](), ""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside = file.relative_to(folder).as_posix()
        content = file.read_bytes()
        if file.suffix in _TEXTS:
            content = content.replace(_MARK.encode(), name.encode())
        if inside == _CANDIDATES:
            candidates = content.decode("utf-8")
        else:
            files[_PLACES.get(inside, f"datasets/{{name}}/{inside}").format(name=name)] = content
    if schema is not None:
        suite = _PLACES["suite.yaml"].format(name=name)
        files[suite] = f"# yaml-language-server: $schema={schema}\n".encode() + files[suite]
    return NewSuite(files, candidates)


def with_candidates(text: str, entries: str, shown: str) -> str:
    """The text of an evalkit.yaml with these entries first under `candidates`; nothing else of it changes.

    No text: a new file. `shown` is how problems name the file. Raises UsageError where they cannot be put in safely.
    """
    was, more = _parsed(text, shown) if text else {}, _parsed(entries, shown)
    known = was.get("candidates") or {}
    taken = sorted(set(more) & set(known))
    if taken:
        raise UsageError(f"{shown} has a candidate {taken[0]!r} already; nothing was written: choose another name")
    head = _HEAD.search(text)
    if head is None:
        before, after = (text if not text or text.endswith("\n") else f"{text}\n") + "candidates:\n", ""
    else:
        before, after = text[: head.end()], text[head.end() :]
    deep = _FIRST.match(after)
    new = before + "".join((deep[1] if deep else "  ") + line for line in entries.splitlines(keepends=True)) + after
    document = parse(new, shown)
    if document.problems or document.data != {**was, "candidates": {**more, **known}}:
        hint = "write its `candidates:` as a block, one name per line"
        raise UsageError(
            f"{shown} cannot take the new suite's candidates ({', '.join(more)}); nothing was written: {hint}"
        )
    return new


def _parsed(text: str, shown: str) -> dict[str, Any]:
    document = parse(text, shown)
    if document.problems:
        raise UsageError(f"{document.problems[0]}; nothing was written")
    if not isinstance(document.data, dict):
        raise UsageError(f"{shown} is no mapping; nothing was written")
    return document.data
