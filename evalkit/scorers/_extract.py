"""A task's extraction rule: what part of an answer is the answer, before any scorer sees it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

from evalkit.core.errors import did_you_mean
from evalkit.core.types import Response
from evalkit.scorers._answers import NO_ANSWER, RAW, answer_json, answer_text, cut_off, last_fence, parse_json, written
from evalkit.scorers._numbers import quantities
from evalkit.scorers._paths import MISSING, get, steps
from evalkit.scorers._pattern import CHARACTERS, compiled, search

Extract = Callable[[str], str | None]
_CALL = re.compile(r"\A([a-z_]+)\s*\((.*)\)\Z", re.DOTALL)
_BRACE = re.compile(r"\\(?:boxed|fbox)\s{0,9}\{|[{}]")


def _last_line(text: str) -> str | None:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), None)


def _first_line(text: str) -> str | None:
    return next((line.strip() for line in text.splitlines() if line.strip()), None)


def _last_number(text: str) -> str | None:
    last = None
    for last in quantities(text):  # noqa: B007 - the last one is wanted
        pass
    return None if last is None else f"{last.value:f}" + ("%" if last.unit == "%" else "")


def _boxed(text: str) -> str | None:
    """The content of the last complete \\boxed{...} or \\fbox{...}, found by counting braces."""
    opened: list[tuple[int, bool]] = []
    last: tuple[int, int] | None = None
    for brace in _BRACE.finditer(text):
        if brace[0] != "}":
            opened.append((brace.end(), brace[0] != "{"))
        elif opened:
            start, box = opened.pop()
            if box and (last is None or start > last[0]):
                last = (start, brace.start())
    return None if last is None else text[slice(*last)].strip()


def _after(text: str, *, argument: str) -> str | None:
    """What follows the last marker, to the end of its line, or the next line that holds something."""
    marks = list(re.finditer(re.escape(argument), text, re.IGNORECASE))
    return _first_line(text[marks[-1].end() :]) if marks else None


def _regex(text: str, *, argument: str) -> str | None:
    """The first group that took part (else the whole) of the last match in the last 100,000 characters."""
    pattern = compiled(argument)
    last = None
    at = 0
    part = text[-CHARACTERS:]
    while at <= len(part):
        match = search(pattern, part, start=at)
        if match is None:
            break
        last = match
        at = match.end() + (match.end() == match.start())
    if last is None:
        return None
    return str(next((group for group in last.groups() if group is not None), last[0]))


def _json(text: str, *, argument: str) -> str | None:
    value, reason = parse_json(text)
    if reason is not None:
        block = last_fence(text)
        value, reason = (None, reason) if block is None else parse_json(block)
    found = MISSING if reason is not None else get(value, steps(argument))
    return None if found is MISSING or found is None else written(found)


_PLAIN: dict[str, Extract] = {
    "last_line": _last_line,
    "first_line": _first_line,
    "last_number": _last_number,
    "boxed": _boxed,
}
_WITH_ARGUMENT: dict[str, Callable[..., str | None]] = {"regex": _regex, "json": _json, "after": _after}


@lru_cache(maxsize=256)
def extractor(spec: str) -> Extract:
    r"""The extraction of a spec: text in, the extracted text or None out.

    `last_line`, `first_line`, `last_number`, `boxed`; with an argument `regex:<pattern>`, `json:$.field`,
    `after:<marker>`, or quoted as in `after("Answer:")`. Raises ValueError that says what is wrong.
    """
    name, argument = _parts(spec)
    if name in _PLAIN and argument is None:
        return _PLAIN[name]
    if name not in _WITH_ARGUMENT or not argument:
        raise ValueError(_complaint(spec, name))
    if name == "regex":
        compiled(argument)
    if name == "json":
        steps(argument)
    return partial(_WITH_ARGUMENT[name], argument=argument)


def _parts(spec: str) -> tuple[str, str | None]:
    call = _CALL.match(spec.strip())
    if call:
        try:
            argument = ast.literal_eval(call[2])
        except (ValueError, SyntaxError):
            argument = None
        if not isinstance(argument, str):
            raise ValueError(f'extract {spec!r}: the argument must be text in quotes, as in after("Answer:")')
        return call[1], argument
    name, colon, argument = spec.partition(":")
    return name.strip(), argument.strip() if colon else None


def _complaint(spec: str, name: str) -> str:
    if name in _PLAIN:
        return f"extract {spec!r}: {name} takes no argument"
    if name in _WITH_ARGUMENT:
        return f"extract {spec!r}: {name} needs an argument, as in {name}:..."
    known = [*_PLAIN, *_WITH_ARGUMENT]
    return f"extract {spec!r} is unknown; {did_you_mean(name, known) or 'known: ' + ', '.join(known)}"


def apply_extraction(spec: str, response: Response) -> Response:
    """The response with its output replaced by what the rule extracts from the answer without think blocks.

    What matches nothing becomes output None with the reason in `meta`; scorers then say it. The output as it was is
    kept in `meta` for what measures the whole answer. Errors, refusals and empty responses come back as they are.
    `json:` also reads answers that are parsed already and keeps the value's type.
    """
    extract = extractor(spec)
    text, _ = answer_text(response)
    if text is None:
        return response
    if spec.startswith("json") and not isinstance(response.output, str):
        value, _ = answer_json(response)
        found = get(value, steps(_parts(spec)[1] or "$"))
        output = None if found is MISSING else found
    else:
        output = extract(text)
    meta = {**response.meta, RAW: response.output}
    if output is None:
        meta[NO_ANSWER] = cut_off(f"nothing matched extract {spec}", response)
    return replace(response, output=output, meta=meta)
