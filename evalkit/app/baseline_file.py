"""A baseline as one JSON file: an entry's scores with all that a comparison needs, without the store."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.core.errors import ConfigError, InvalidRun, Problem

VERSION = 1
MARK = "evalkit_baseline"
MOST_PROBLEMS = 20
STATUS = ("scored", "unscorable", "errored", "")
_Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _maybe_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value))


def _amount(value: Any) -> bool:
    return _number(value) and (value is None or value >= 0)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _parts(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict) and all(_number(one) and one is not None for one in value.values())
    )


def _status(value: Any) -> bool:
    return value in STATUS


# Key -> (what is right, how it is said).
FACTS: Mapping[str, tuple[_Check, str]] = {
    **dict.fromkeys(
        ("entry_id", "run_id", "suite", "suite_hash", "data_hash", "task_hash", "family", "candidate", "fingerprint"),
        (_text, "text"),
    ),
    **dict.fromkeys(("generation", "seed", "repeats", "planned"), (_count, "a whole number of at least 0")),
    **dict.fromkeys(("status", "started"), (_text, "text")),
    **dict.fromkeys(("git_commit", "git_branch"), (_maybe_text, "text or null")),
    **dict.fromkeys(("candidate_spec", "versions", "spec"), (_mapping, "an object")),
}
CELLS: Mapping[str, tuple[_Check, str]] = {
    **dict.fromkeys(("sample_id", "sample_hash", "cluster"), (_text, "text")),
    "repeat": (_count, "a whole number of at least 0"),
    "tags": (_texts, "a list of texts"),
    **dict.fromkeys(("call_id", "error_kind", "output", "shown"), (_maybe_text, "text or null")),
    **dict.fromkeys(("cached", "failed"), (_flag, "true or false")),
    **dict.fromkeys(("seconds", "usd"), (_amount, "a finite number of at least 0, or null")),
}
SCORES: Mapping[str, tuple[_Check, str]] = {
    "status": (_status, "scored, unscorable, errored or empty"),
    **dict.fromkeys(("value", "worst"), (_number, "a finite number or null")),
    **dict.fromkeys(("parts", "worst_parts"), (_parts, "an object of finite numbers, or null")),
    "answer": (_maybe_text, "text or null"),
}
_PROMPT: Mapping[str, tuple[_Check, str]] = dict.fromkeys(("prompt_hash", "name", "role", "body"), (_text, "text"))
_SCORER: Mapping[str, tuple[_Check, str]] = {
    **dict.fromkeys(("scorer_sig", "spec"), (_text, "text")),
    "extraction": (_maybe_text, "text or null"),
    "metrics": (_texts, "a list of texts"),
}


def body(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The file as a JSON value."""
    return {MARK: VERSION, "entries": list(entries)}


def written(entries: Sequence[Mapping[str, Any]], made_by: str) -> str:
    """The file's text; the same entries give the same bytes."""
    ordered = sorted(entries, key=lambda entry: (entry["facts"]["suite"], entry["facts"]["candidate"]))
    whole = {"made_by": made_by, **body(ordered)}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n"


def read(path: Path) -> list[dict[str, Any]]:
    """The entries of a baseline file, checked to the last number.

    Raises InvalidRun when there is no such file, ConfigError with everything that is wrong in it.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise InvalidRun(f"there is no baseline file {path}; `evalkit baseline export {path}` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(f"cannot be read: {error}", str(path))]) from None
    return parsed(text, str(path))


def parsed(text: str, file: str) -> list[dict[str, Any]]:
    """The entries in a baseline file's text. Raises ConfigError with everything that is wrong."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError([Problem(f"is not JSON: {error}", file)]) from None
    problems = [Problem(told, file) for told in _wrong(value)]
    if problems:
        more = len(problems) - MOST_PROBLEMS
        shown = problems[:MOST_PROBLEMS] + ([Problem(f"and {more} more problems", file)] if more > 0 else [])
        raise ConfigError(shown)
    entries: list[dict[str, Any]] = value["entries"]
    return entries


def _wrong(value: Any) -> Iterator[str]:
    if not isinstance(value, dict) or MARK not in value:
        yield f"is no evalkit baseline: it has no {MARK!r}"
        return
    if value[MARK] != VERSION:
        yield f"is a baseline of version {value[MARK]!r}; this evalkit reads version {VERSION}"
        return
    entries = value.get("entries")
    if not isinstance(entries, list) or not entries:
        yield "entries: a list of at least one entry is needed"
        return
    for place, entry in enumerate(entries):
        yield from _wrong_entry(entry, f"entries[{place}]")


def _wrong_entry(entry: Any, at: str) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"{at}: an object is needed"
        return
    yield from _wrong_object(entry.get("facts"), FACTS, f"{at}.facts", strict=False)
    for name, shape in (("prompts", _PROMPT), ("scorers", _SCORER)):
        listed = entry.get(name)
        if not isinstance(listed, list):
            yield f"{at}.{name}: a list is needed"
            continue
        for place, one in enumerate(listed):
            yield from _wrong_object(one, shape, f"{at}.{name}[{place}]")
    size = yield from _wrong_columns(entry.get("cells"), CELLS, f"{at}.cells", None)
    if size is None:
        return
    yield from _twice(entry["cells"], f"{at}.cells")
    scores = entry.get("scores")
    if not isinstance(scores, list):
        yield f"{at}.scores: a list is needed"
        return
    for place, one in enumerate(scores):
        where = f"{at}.scores[{place}]"
        named = isinstance(one, dict) and _text(one.get("scorer_sig")) and _text(one.get("metric"))
        if not named:
            yield f"{where}: scorer_sig and metric are needed, as text"
            continue
        yield from _wrong_columns(one, SCORES, where, size)


def _wrong_object(
    value: Any, shape: Mapping[str, tuple[_Check, str]], at: str, *, strict: bool = True
) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: an object is needed"
        return
    for name, (right, told) in shape.items():
        if name not in value:
            yield f"{at}.{name} is missing"
        elif not right(value[name]):
            yield f"{at}.{name}: {told} is needed, not {_shown(value[name])}"
    if strict:
        yield from (f"{at}.{name}: there is no such key" for name in value if name not in shape)


def _wrong_columns(
    value: Any, shape: Mapping[str, tuple[_Check, str]], at: str, size: int | None
) -> Generator[str, None, int | None]:
    if not isinstance(value, dict):
        yield f"{at}: an object of columns is needed"
        return None
    for name, (right, told) in shape.items():
        column = value.get(name)
        if not isinstance(column, list):
            yield f"{at}.{name}: a list is needed"
            return None
        size = len(column) if size is None else size
        if len(column) != size:
            yield f"{at}.{name} has {len(column)} values, not {size}"
            return None
        for row, one in enumerate(column):
            if not right(one):
                yield f"{at}.{name}[{row}]: {told} is needed, not {_shown(one)}"
    return size


def _twice(cells: Mapping[str, Any], at: str) -> Iterator[str]:
    seen: dict[tuple[str, int], int] = {}
    contents: dict[str, str] = {}
    for row, (ident, repeat, content) in enumerate(
        zip(cells["sample_id"], cells["repeat"], cells["sample_hash"], strict=True)
    ):
        first = seen.setdefault((str(ident), repeat if _count(repeat) else -1), row)
        if first != row:
            yield f"{at}[{row}]: sample {ident!r}, repeat {repeat} stands twice (first at {first})"
        elif contents.setdefault(str(ident), str(content)) != str(content):
            yield f"{at}[{row}]: sample {ident!r} has two contents"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
