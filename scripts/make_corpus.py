"""Extract the retrieval corpus from CPython 3.11: language reference topics and docstrings of the standard library.

Usage: python3.11 scripts/make_corpus.py [folder]; writes passages.jsonl and prints the hashes that card.yaml states.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import pydoc_data.topics
import re
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "datasets" / "corpus"
SHORTEST, USUAL, LONGEST = 20, 110, 200
ALIKE = 0.7
"""Share of common word 4-shingles from which on the later of two passages is dropped."""

# Written in C: their texts stand in the interpreter, not in a file.
COMPILED = (  # noqa: SIM905 - names read better as words
    "builtins itertools math cmath time sys gc operator zlib binascii array marshal select posix _functools "
    "_collections _random _struct _weakref _datetime _socket _csv _bisect _heapq _statistics _codecs _string "
    "_thread "
).split()
SOURCES = (  # noqa: SIM905 - names read better as words
    "abc argparse ast asyncio/events asyncio/locks asyncio/queues asyncio/runners asyncio/streams "
    "asyncio/subprocess asyncio/taskgroups asyncio/tasks asyncio/timeouts asyncio/threads asyncio/futures "
    "asyncio/base_events base64 bdb bisect bz2 calendar cgi cmd code codecs codeop collections/__init__ colorsys "
    "compileall concurrent/futures/_base concurrent/futures/process concurrent/futures/thread configparser "
    "contextlib copy copyreg csv ctypes/util dataclasses datetime dbm/__init__ decimal difflib dis doctest "
    "email/message email/utils email/policy email/header email/charset email/mime/base enum filecmp fileinput "
    "fnmatch fractions ftplib functools genericpath getopt getpass gettext glob graphlib gzip hashlib heapq hmac "
    "html/__init__ html/parser http/client http/cookiejar http/cookies http/server imaplib imghdr "
    "importlib/__init__ importlib/abc importlib/resources/_common importlib/metadata/__init__ importlib/util "
    "inspect io ipaddress json/__init__ json/decoder json/encoder keyword linecache locale logging/__init__ "
    "logging/config logging/handlers lzma mailbox mimetypes modulefinder multiprocessing/connection "
    "multiprocessing/context multiprocessing/managers multiprocessing/pool multiprocessing/shared_memory "
    "multiprocessing/util netrc numbers opcode operator optparse os pathlib pdb pickle pickletools pkgutil "
    "platform plistlib poplib posixpath pprint profile pstats pty py_compile pyclbr pydoc queue quopri random "
    "re/__init__ reprlib rlcompleter runpy sched secrets selectors shelve shlex shutil signal site smtplib socket "
    "socketserver sqlite3/__init__ sqlite3/dump ssl stat statistics string struct subprocess symtable sysconfig "
    "tabnanny tarfile tempfile textwrap threading timeit token tokenize tomllib/_parser trace traceback "
    "tracemalloc turtle types typing unittest/async_case unittest/case unittest/loader unittest/main "
    "unittest/mock unittest/result unittest/runner unittest/suite urllib/error urllib/parse urllib/request "
    "urllib/robotparser uuid venv/__init__ warnings wave weakref webbrowser wsgiref/handlers wsgiref/headers "
    "wsgiref/simple_server wsgiref/util xml/dom/minidom xml/etree/ElementTree xml/sax/handler xml/sax/xmlreader "
    "xmlrpc/client xmlrpc/server zipapp zipfile zipimport zoneinfo/__init__ "
).split()

Text = tuple[str, str, str]
"""Name, title and cleaned text of a documented thing."""


def topics() -> Iterator[Text]:
    """The sections of the language reference that pydoc carries."""
    for topic, text in sorted(pydoc_data.topics.topics.items()):
        lines = text.splitlines()
        title, body = topic, list[str]()
        for place, line in enumerate(lines):
            under = lines[place + 1] if place + 1 < len(lines) else ""
            if line.strip() and re.fullmatch(r"([*=\-~^\"])\1{2,}", under) and len(under) >= len(line.strip()):
                yield f"reference.{topic}", f"{topic}: {title}", "\n".join(body)
                title, body = line.strip().replace('"', ""), []
            elif not re.fullmatch(r"([*=\-~^\"])\1{2,}", line):
                body.append(line)
        yield f"reference.{topic}", f"{topic}: {title}", "\n".join(body)


def from_sources() -> Iterator[Text]:
    """Docstrings of public modules, classes, functions and methods written in Python."""
    root = Path(sysconfig.get_path("stdlib"))
    for name in SOURCES:
        module = name.removesuffix("/__init__").replace("/", ".")
        yield from walked(module, ast.parse((root / f"{name}.py").read_text("utf-8")))


def walked(name: str, node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Text]:
    """What is documented in a node, itself first."""
    text = ast.get_docstring(node)
    if text:
        yield name, name, text
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        for child in node.body:
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and child.name[0] != "_":
                yield from walked(f"{name}.{child.name}", child)


def from_interpreter() -> Iterator[Text]:
    """Docstrings of what is written in C."""
    for name in COMPILED:
        module = importlib.import_module(name)
        shown = "os" if name == "posix" else name.lstrip("_")
        for label in sorted(vars(module)):
            thing = getattr(module, label)
            if label.startswith("_") or inspect.ismodule(thing) or not callable(thing):
                continue
            yield from documented(f"{shown}.{label}", thing)
            if isinstance(thing, type):
                for method in sorted(vars(thing)):
                    if not method.startswith("_"):
                        yield from documented(f"{shown}.{label}.{method}", getattr(thing, method))


def documented(name: str, thing: object) -> Iterator[Text]:
    """A thing's own docstring."""
    text = getattr(thing, "__doc__", None)
    if isinstance(text, str):
        yield name, name, inspect.cleandoc(text)


def chunks(text: str) -> Iterator[str]:
    """Whole paragraphs, joined up to the usual length; a paragraph that is too long is cut between sentences."""
    held: list[str] = []
    words = 0
    for part in pieces(text):
        size = len(part.split())
        if held and words + size > USUAL and words >= SHORTEST:
            yield " ".join(held)
            held, words = [], 0
        held.append(part)
        words += size
    if words >= SHORTEST:
        yield " ".join(held)


def pieces(text: str) -> Iterator[str]:
    """Paragraphs on one line each, none longer than the usual length where sentences allow it."""
    for paragraph in re.split(r"\n\s*\n", text):
        flat = " ".join(paragraph.split())
        if len(flat.split()) <= USUAL:
            if flat:
                yield flat
            continue
        held: list[str] = []
        for sentence in re.split(r"(?<=[.!?:;])\s+", flat):
            if held and sum(len(s.split()) for s in [*held, sentence]) > USUAL:
                yield " ".join(held)
                held = []
            held.append(sentence)
        yield " ".join(held)


def readable(text: str) -> bool:
    """Whether a passage is prose rather than a table, a listing or a session."""
    words = text.split()
    spoken = sum(bool(re.fullmatch(r"[\"'(]*[A-Za-z][A-Za-z'-]*[\"'),.:;?!]*", word)) for word in words)
    return SHORTEST <= len(words) <= LONGEST and spoken >= 0.6 * len(words)


def passages(texts: Iterable[Text]) -> Iterator[dict[str, object]]:
    """Numbered passages; of two that are alike the first is kept."""
    numbers: dict[str, int] = defaultdict(int)
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    sizes: list[int] = []
    for name, title, text in texts:
        for chunk in chunks(text):
            if not readable(chunk):
                continue
            words = re.findall(r"\w+", chunk.lower())
            shingles = set(zip(words, words[1:], words[2:], words[3:], strict=False))
            common: dict[int, int] = defaultdict(int)
            for shingle in shingles:
                for place in holders[shingle]:
                    common[place] += 1
            if any(n / min(len(shingles), sizes[place]) > ALIKE for place, n in common.items()):
                continue
            for shingle in shingles:
                holders[shingle].append(len(sizes))
            sizes.append(len(shingles))
            numbers[name] += 1
            yield {"id": f"{name}#{numbers[name]}", "input": {"title": title, "text": chunk}}


def main(folder: Path) -> None:
    """Write the passages and print what the card says about them."""
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(f"the corpus is made from CPython 3.11, not {sys.version.split()[0]}")
    texts = [*topics(), *from_interpreter(), *from_sources()]
    given = hashlib.sha256("\x1e".join("\x1f".join(text) for text in texts).encode()).hexdigest()
    lines = [json.dumps(passage, ensure_ascii=False) + "\n" for passage in passages(texts)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "passages.jsonl").write_text("".join(lines), "utf-8")
    written = hashlib.sha256("".join(lines).encode()).hexdigest()
    about = {"items": len(lines), "python": sys.version.split()[0], "sha256": written, "sha256_of_inputs": given}
    sys.stdout.write(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
