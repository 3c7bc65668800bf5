"""Hostile text in data, prompts, answers, errors, tags, names and descriptions is inert wherever it is shown."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.cli.main import main

MARKUP = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'></style><style>*{display:none}</style>"
)
ESCAPES = "\x1b[31mred\x1b[0m \x1b]8;;http://evil.test\x07click\x1b]8;;\x07 \x9b31m \x1bP+q\x1b\\ \x07\x08\x7f"
FORMULA = "=cmd|' /C calc'!A0"
BIDI = "\u202egnp.exe\u202c \u2066x\u2069 \u200f"
TEMPLATE = "{{ 7 * 7 }} {% include '/etc/passwd' %} ${HOME} `id`"
LONG = "long " * 200_000
TEXTS = {
    "markup": MARKUP,
    "escapes": ESCAPES,
    "nul": "nul\x00nul",
    "formula": FORMULA,
    "plus": "+1+1",
    "minus": "-2+3",
    "at": "@SUM(A1)",
    "tab": "\t=1+1",
    "bidi": BIDI,
    "template": TEMPLATE,
    "url": "javascript:window.hacked=1",
    "cdata": "]]></script><!--",
    "quotes": "\"'`;drop table run;--",
    "long": LONG,
}
AGENT = """
def answers(sample):
    kind = sample.id
    if kind.startswith("escapes"):
        raise RuntimeError(sample.input["text"])
    if kind.startswith("nul"):
        return "lone \\ud800 surrogate and \\x00"
    if kind.startswith("bidi"):
        return {"number": 10 ** 400, "text": sample.input["text"]}
    return sample.input["text"]
"""
PROGRAM = """
import json, sys
asked = json.loads(sys.stdin.readline())
sys.stderr.write(asked["input"]["text"][:3000])
sys.exit(3)
"""


def named(name: str) -> str:
    """A sample id as hostile as data allow it: control characters in ids are refused."""
    return f"{name} " + "".join(c for c in TEXTS[name][:200] if ord(c) >= 32 and not 127 <= ord(c) < 160)


def evalkit(folder: Path, *arguments: str, code: int = 0) -> tuple[bytes, bytes]:
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_TOKEN", "_SECRET"))
    }
    command = [sys.executable, "-m", "evalkit", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == code, done.stderr[-3000:].decode()
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "proj<script>"
    folder.mkdir()
    samples = [
        {
            "id": named(name),
            "input": {"text": text},
            "target": f"other {text}",
            "group": text[:300],
            "tags": [f"kind:{text[:200]}"],
            "meta": {text[:100] or "x": text[:500], "huge": 10**30},
        }
        for name, text in TEXTS.items()
    ]
    (folder / "d.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    (folder / "agent.py").write_text(AGENT)
    (folder / "program.py").write_text(PROGRAM)
    (folder / "card.yaml").write_text(
        json.dumps({"source": MARKUP, "limits": "".join(c for c in ESCAPES if c.isprintable())})
    )
    suite = {
        "name": "hostile",
        "description": f"{MARKUP} {TEMPLATE}",
        "family": "generalist",
        "dataset": {"path": "d.jsonl", "card": "card.yaml"},
        "task": {"prompt": f"{{% raw %}}{MARKUP}{TEMPLATE}{{% endraw %}} {{{{ text }}}}"},
        "scorers": ["exact_match", "squad", "length"],
        "slices": ["kind"],
        "limits": {"max_error_rate": 1.0},
        "candidates": ["agent", "program", f"mock/{MARKUP[:40]}", "python/agent.py:answers"],
    }
    (folder / "s.yaml").write_text(json.dumps(suite))
    program = {"provider": "exec", "command": [sys.executable, "program.py"]}
    agent = {"provider": "python", "function": "agent.py:answers", "description": MARKUP}
    (folder / "evalkit.yaml").write_text(json.dumps({"candidates": {"agent": agent, "program": program}}))
    # The newest run is the one of all candidates; before it, one of a candidate whose name drives terminals.
    said = evalkit(folder, "run", "s.yaml", "--json", "-c", "mock/\x1b[31m\x9b", "--limit", "1")
    (folder / "said.txt").write_bytes(b"".join(said))
    evalkit(folder, "run", "s.yaml", "-q")
    return folder


COMMANDS = (
    ("run", "s.yaml"),
    ("show", "last"),
    ("show", "last", "--metrics", "--slices"),
    ("show", "last", "--failures"),
    ("show", "last", "--sample", "markup " + MARKUP),
    ("sql", "select * from cells left join scores using (entry_id, position) order by metric limit 20"),
    ("sql", "select * from suite, run, prompt"),
    ("sql", "select input, target, meta, tags from sample"),
    ("list", "runs"),
    ("list", "suites", "--in", "."),
    ("list", "candidates"),
    ("cost",),
    ("explain-miss",),
    ("validate", "s.yaml"),
)


def driving(said: str) -> set[str]:
    """Characters that could drive a terminal or turn text around."""
    return {character for character in said if not character.isprintable() and character != "\n"}


@pytest.fixture
def said(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command prints, in this process; it must end with 0."""
    monkeypatch.chdir(project)

    def call(*arguments: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        shown = capsys.readouterr()
        assert ended.value.code == 0, shown.err
        return shown.out + shown.err if arguments[-1] not in ("--json", "--csv") else shown.out

    return call


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(command)[:30].strip() for command in COMMANDS])
def test_nothing_drives_the_terminal(said: Callable[..., str], command: tuple[str, ...]) -> None:
    shown = said(*command)
    assert len(shown) > 10
    assert driving(shown) == set()


def test_the_command_itself_says_nothing_that_drives_the_terminal(project: Path) -> None:
    out, err = evalkit(project, "show", "last", "--failures")
    ran = (project / "said.txt").read_text()
    assert driving(out.decode()) | driving(err.decode()) | driving(ran) == set()
    assert "\\x1b[31m" in out.decode()
    assert "\\u001b[31m\\u009b" in ran


def test_a_long_cell_is_cut_and_says_so(said: Callable[..., str]) -> None:
    shown = said("show", "last", "--sample", named("long"))
    assert "more characters (--json shows all)" in " ".join(shown.split())
    assert len(shown) < 200_000


TABLES = (
    ("show", "last", "--failures"),
    ("show", "last", "--sample", named("escapes")),
    ("show", "last", "--slices"),
    ("sql", "select * from scores left join cells using (entry_id, position)"),
    ("sql", "select *, 'nan'::double as nan, '-inf'::double as inf, ['nan'::double] as nans from sample"),
    ("list", "runs"),
    ("list", "candidates"),
    ("cost",),
)


@pytest.mark.parametrize("command", TABLES, ids=[" ".join(command)[:30].strip() for command in TABLES])
def test_json_is_json(said: Callable[..., str], command: tuple[str, ...]) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    shown = said(*command, "--json")
    rows = json.loads(shown, parse_constant=refuse)
    assert driving(shown) == set()
    assert rows
    assert len({tuple(row) for row in rows}) == 1
    if "nans" in command[-1]:
        assert {(row["nan"], row["inf"], tuple(row["nans"])) for row in rows} == {("nan", "-inf", ("nan",))}
        texts = {
            json.loads(row["input"])["text"] if isinstance(row["input"], str) else row["input"]["text"] for row in rows
        }
        assert texts == set(TEXTS.values())


@pytest.mark.parametrize("command", TABLES, ids=[" ".join(command)[:30].strip() for command in TABLES])
def test_csv_runs_no_formula(said: Callable[..., str], command: tuple[str, ...]) -> None:
    shown = said(*command, "--csv")
    assert driving(shown) <= {"\t"}
    csv.field_size_limit(10_000_000)
    rows = list(csv.reader(io.StringIO(shown)))
    assert {len(row) for row in rows} == {len(rows[0])}
    for cell in (cell for row in rows[1:] for cell in row):
        assert cell[:1] not in ("=", "@", "\t", "\r")
        assert cell[:1] not in ("+", "-") or _is_number(cell), cell[:80]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_parquet_holds_what_was_said(project: Path, said: Callable[..., str], tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    files = [Path(line) for line in said("export", "last", "-o", str(tmp_path / "out")).split()]
    read = {file.stem: parquet.read_table(file).to_pylist() for file in files}
    texts = {json.loads(row["input"])["text"] for row in read["sample"]}
    assert texts == set(TEXTS.values())
    outputs = json.loads(said("sql", "select call_id, output from call where output is not null", "--json"))
    stored = {row["call_id"]: row["output"] for row in outputs}
    kept = {row["call_id"]: row["output"] for row in read["call"] if row["output"] is not None}
    assert kept == {call: stored[call] for call in kept}
    answered = {json.loads(output) if output.startswith('"') else output for output in kept.values()}
    assert {TEXTS[name] for name in ("markup", "formula", "long", "quotes")} <= answered


@pytest.fixture(scope="module")
def report(project: Path) -> Path:
    out, _ = evalkit(project, "report", "-o", "out")
    return (project / out.decode().strip()).parent


def test_the_report_runs_nothing(report: Path) -> None:
    from playwright.sync_api import sync_playwright

    pages = sorted(report.rglob("*.html"))
    assert len(pages) >= 3
    trouble: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context()
        context.on("console", lambda message: trouble.append(f"console: {message.text}"))
        context.on("weberror", lambda error: trouble.append(f"error: {error.error}"))
        context.on(
            "request", lambda asked: asked.is_navigation_request() or trouble.append(f"request: {asked.url[:200]}")
        )
        context.on("dialog", lambda dialog: (trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        seen = ""
        for path in pages:
            page = context.new_page()
            page.goto(path.as_uri())
            for details in page.query_selector_all("details"):
                details.evaluate("node => node.open = true")
            assert page.evaluate("window.hacked") is None, path
            assert page.evaluate("[...document.links].filter(a => !['file:', ''].includes(a.protocol)).length") == 0, (
                path
            )
            assert page.evaluate("document.querySelectorAll('img').length") == 0, path
            assert page.locator("h1").first.is_visible(), path
            seen += page.content()
            page.close()
        browser.close()
    assert trouble == []
    assert "&lt;script&gt;window.hacked" in seen
    assert "{{ 7 * 7 }}" in seen
    assert "\x1b" not in seen
