"""The program inside the sandbox that looks for what is wrong in a program without running it."""

from __future__ import annotations

import ast
import json
import sys

_WORDS = 200
_MOST = 50


def main() -> None:
    """Read a program from stdin, write a JSON list of [line, kind, text]; a program that does not compile has one."""
    sys.stdout.write(json.dumps(findings(sys.stdin.buffer.read().decode("utf-8", "replace"))))


def findings(text: str) -> list[tuple[int, str, str]]:
    """What pyflakes says, in the order of lines."""
    try:
        tree = ast.parse(text, "main.py")
        compile(tree, "main.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        message = str(getattr(error, "msg", None) or error)
        return [(getattr(error, "lineno", None) or 1, type(error).__name__, message[:_WORDS])]
    # The folder is the sandbox's own: pyflakes stands in it, and is imported only for what compiles.
    sys.path.insert(0, "")
    from pyflakes.checker import Checker

    try:
        messages = sorted(Checker(tree, "main.py").messages, key=lambda message: (message.lineno, message.col))
    except RecursionError:
        return [(1, "RecursionError", "nested too deeply to be looked at")]
    return [(m.lineno, type(m).__name__, str(m.message % m.message_args)[:_WORDS]) for m in messages[:_MOST]]


if __name__ == "__main__":
    main()
