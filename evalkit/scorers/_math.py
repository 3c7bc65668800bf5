"""Mathematical answers: which part of a text is the answer, and whether math-verify finds it equal to the target."""

from __future__ import annotations

import atexit
import json
import re
import select
import subprocess
import sys
import threading
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from evalkit.core.errors import MissingComponent
from evalkit.scorers._answers import shown

MARKERS = ("####", "answer:", "answer is")
LONGEST = 2000
STARTING = 120
_WORDS = re.compile(r"[^\W\d_]+(?:[ '\u2019-][^\W\d_]+)*")
_TIMES = re.compile(r"\d{1,2}:\d\d(?::\d\d)?|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?")
_NAMED = frozenset(("pi", "oo", "inf", "infinity"))
_DELIMITED = re.compile(r"\$|\\boxed|\\fbox|\\\(|\\\[|\\begin")
_LETTERS = re.compile(r"[A-Za-z]{2,}")
_COMMANDS = re.compile(r"\\[A-Za-z]+")
_OPERATES = re.compile(r"[A-Za-z\u03c0\u221a\\^*+(\[{]|\d\s*[-\u2212]")
_UNITS = re.compile(r"(?:\s+(?!(?:sqrt|pi)\b)[A-Za-z]{2,}[\u00b2\u00b3]?)+\Z")
_ROOT = re.compile(r"(?:(?<![\\A-Za-z])sqrt|\u221a)\s*(?:\(([^()]*)\)|([0-9]+|[a-z]))")
_PI = re.compile(r"(?<![\\A-Za-z])pi(?![A-Za-z])|\u03c0")
_PRODUCT = re.compile(r"(?<=[\w)\]}])\s*\*\s*(?=[\w(\\])")
_POWER = re.compile(r"\*\*\s*(\d+|\w)|\^\(([^()]*)\)")
_MIXED = re.compile(r"\A(-?)(\d{1,18})\s+(\d{1,18})/(\d{1,18})\Z")
_CLAUSE = re.compile(r"[.,;(]")
_BOX = re.compile(r"\\(?:boxed|fbox)\{([^{}]*)\}")


class Verdict(NamedTuple):
    """Whether an answer is right (None = it cannot be told), what was read from it, and why not."""

    value: float | None
    answer: str | None
    reason: str | None


def needs_library() -> None:
    """Raise MissingComponent that names the extra when math-verify is not installed."""
    if find_spec("math_verify") is None:
        raise MissingComponent("math_equal needs math-verify: pip install 'evalkit[math]'")


class Mathematician:
    """A process of `_math_child.py`; one question at a time, and it is ended when an answer takes too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def ask(self, question: list[str], seconds: float) -> Any:
        """The child's answer. Raises TimeoutError after `seconds`; loading the library is not counted."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self.close()
            process = self._process = self._process or self._start()
            assert process.stdin is not None
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            return self._read(process, seconds)

    def _start(self) -> subprocess.Popen[str]:
        # -P keeps the folder of the script off the path: its neighbours bear names of packages (regex).
        command = [sys.executable, "-P", str(Path(__file__).with_name("_math_child.py"))]
        process = subprocess.Popen(  # noqa: S603 - our own file
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._read(process, STARTING)
        return process

    def _read(self, process: subprocess.Popen[str], seconds: float) -> Any:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        line = process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        process.kill()
        self.close()
        raise TimeoutError(f"took longer than {seconds:g} s to read or compare" if not ready else "ran out of memory")

    def close(self) -> None:
        """End the process; the next question starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


# One child per process of evalkit: loading sympy takes longer than a hundred comparisons.
_CHILD = Mathematician()
atexit.register(_CHILD.close)


def is_word(text: str) -> bool:
    """Whether a target is compared as text: words of letters only, clock times and dates."""
    if _TIMES.fullmatch(text):
        return True
    return len(text) > 1 and text.lower() not in _NAMED and _WORDS.fullmatch(text) is not None


def readable(target: str, seconds: int) -> bool:
    """Whether math-verify reads a target; one letter is always read."""
    return len(target) == 1 or _CHILD.ask([gold(target)], seconds) is True


def segment(text: str, markers: tuple[str, ...]) -> str | None:
    """The line after the last marker (or the next line that holds something); None without a marker."""
    at = -1
    lowered = text.lower()
    for marker in markers:
        found = lowered.rfind(marker.lower())
        at = max(at, found + len(marker) if found >= 0 else -1)
    if at < 0:
        return None
    return next((line for line in (plain(line) for line in text[at:].splitlines()) if line), None)


def plain(line: str) -> str:
    """A line without emphasis, a colon before it, quotes around it, or a full stop after it."""
    bare = line.strip().strip("*_`").lstrip(":").strip().strip("*_`").strip()
    if bare.endswith(".") and not bare.endswith(".."):
        bare = bare[:-1].rstrip().rstrip("*_`").rstrip()
    if len(bare) > 1 and bare[0] in "\"'\u201c" and bare[-1] in "\"'\u201d":
        bare = bare[1:-1].strip()
    return bare


def folded(text: str) -> str:
    """A word as it is compared: without LaTeX around it, case, articles and doubled spaces."""
    bare = re.sub(r"\\(?:boxed|fbox|text|textbf|mathrm)\s*\{([^{}]*)\}", r"\1", text).strip("$ ")
    return re.sub(r"\A(?:the|a|an) ", "", " ".join(plain(bare).casefold().split()))


def gold(text: str) -> str:
    """A bare expression in LaTeX between dollar signs; numbers, prose and what is delimited already as they are.

    `3 + sqrt(2)`, `25 pi`, `9*x^2` and `4 sqrt(3) cm` are expressions; a text with other words is prose.
    """
    mixed = _MIXED.match(text)
    if mixed and int(mixed[4]):
        sign, whole, top, bottom = mixed.groups()
        return f"{sign}{int(whole) * int(bottom) + int(top)}/{bottom}"
    bare = _UNITS.sub("", text) if any(map(str.isdigit, text)) else text
    if _DELIMITED.search(bare) or not _OPERATES.search(bare):
        return text
    if any(word.lower() not in ("sqrt", "pi") for word in _LETTERS.findall(_COMMANDS.sub(" ", bare))):
        return text
    latex = _ROOT.sub(lambda m: rf"\sqrt{{{m[1] if m[1] is not None else m[2]}}}", bare)
    latex = _POWER.sub(lambda m: f"^{{{m[1] or m[2]}}}", _PI.sub(r"\\pi ", latex))
    return f"${_PRODUCT.sub(' ', latex)}$"


@lru_cache(maxsize=4096)
def verdict(target: str, text: str, markers: tuple[str, ...], seconds: int) -> Verdict:
    """Compare an answer with a target; pure, so that several scorers of one answer compute it once."""
    said = segment(text, markers)
    line = said if said is not None else _last_line(text)
    wanted = folded(target)
    if folded(line) == wanted:
        return Verdict(1.0, shown(wanted) if is_word(target) else _number(target), None)
    if is_word(target):
        return _as_word(target, text, line)
    return _as_math(target, gold(said if said is not None else text.strip()), seconds)


def _last_line(text: str) -> str:
    return next((plain(line) for line in reversed(text.splitlines()) if line.strip()), "")


def _number(target: str) -> str:
    """A target that was answered literally, in the form of the answers that had to be read."""
    top, _, bottom = target.partition("/")
    try:
        return f"{float(top) / float(bottom or 1):.12g}"
    except (ValueError, ZeroDivisionError, OverflowError):
        return shown(target)


def _as_word(target: str, text: str, line: str) -> Verdict:
    boxes = _BOX.findall(text)
    found = folded(boxes[-1] if boxes else line)
    if folded(_CLAUSE.split(found)[0]) == folded(target):
        return Verdict(1.0, shown(folded(target)), None)
    if not found:
        return Verdict(None, None, "nothing to compare in the answer")
    return Verdict(0.0, shown(found), f"{shown(found)} is not {target}")


def _as_math(target: str, answer: str, seconds: int) -> Verdict:
    try:
        equal, read = _CHILD.ask([gold(target), answer], seconds)
    except TimeoutError as error:
        return Verdict(None, None, str(error))
    if equal is None:
        return Verdict(None, None, f"no mathematical expression in the answer{f' ({read})' if read else ''}")
    found = shown(read)
    return Verdict(1.0, found, None) if equal else Verdict(0.0, found, f"{found} is not {shown(target)}")
