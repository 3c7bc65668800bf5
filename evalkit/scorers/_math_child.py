"""The process that reads and compares mathematics: a line of JSON in, a line of JSON out, until its input ends.

It runs as a script and imports nothing of evalkit. Its parent ends it when a comparison takes too long: signals cannot
stop sympy inside one large power.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import resource
import sys
from typing import Any, TextIO

MEMORY = 4 << 30


def parse(text: str) -> list[Any]:
    """What math-verify reads in a text: an expression and its text, or nothing."""
    import math_verify

    return list(math_verify.parse(text, parsing_timeout=None))


def compare(target: str, answer: str) -> tuple[bool | None, str | None]:
    """Whether math-verify finds an answer equal to a target, and the answer in canonical form.

    None, None when there is no mathematics in the answer.
    """
    import math_verify

    found = parse(answer)
    if not found:
        return None, None
    return bool(math_verify.verify(parse(target), found, timeout_seconds=None)), canonical(found)


def canonical(found: list[Any]) -> str:
    """A parsed answer as text that is equal for equal numbers (0.5, 1/2, 50%, x = 0.5): votes are counted by it."""
    first = getattr(found[0], "rhs", found[0])
    try:
        number = float(first.doit())
    except (TypeError, ValueError, OverflowError, AttributeError):
        return str(first)
    return f"{number:.12g}" if math.isfinite(number) else str(first)


def reply(line: str) -> str:
    """The answer to one request: `[target, answer]` to compare, `[target]` to say whether it can be read."""
    asked = json.loads(line)
    try:
        said: Any = bool(parse(asked[0])) if len(asked) == 1 else compare(*asked)
    except Exception as error:  # noqa: BLE001 - sympy raises anything about texts that are no mathematics
        said = [None, f"{type(error).__name__}"]
    return json.dumps(said)


def serve(requests: TextIO, replies: TextIO) -> None:
    """Answer until the requests end; the first line out says that the library is loaded."""
    parse("$1$")
    replies.write("true\n")
    replies.flush()
    for line in requests:
        replies.write(reply(line) + "\n")
        replies.flush()


def confine() -> None:
    """Bound this process's memory and keep the library's warnings to itself."""
    logging.disable(logging.CRITICAL)
    with contextlib.suppress(ValueError, OSError):  # some systems have no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    confine()
    serve(sys.stdin, sys.stdout)
