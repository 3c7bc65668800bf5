"""Whatever is wrong in suites, data, prompts and commands: the right exit code, file:line, what to do, all at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from evalkit.cli.main import main

GOOD = [{"id": f"s{n}", "input": {"text": f"{n}+{n}"}, "target": str(2 * n)} for n in range(4)]


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def suite(**changed: object) -> str:
    """A suite as YAML (JSON is YAML), one key per line: name 1, family 2, dataset 3, task 4, scorers 5, candidates 6."""
    keys = {
        "name": "s",
        "family": "generalist",
        "dataset": "d.jsonl",
        "task": {"prompt": "Say: {{ text }}"},
        "scorers": ["exact_match"],
        "candidates": ["mock/perfect"],
    }
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in {**keys, **changed}.items() if value is not None)


File = str | bytes | Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """Files changed in a good folder, the command, and what it must come to."""

    files: dict[str, File] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    code: int = 2
    argv: tuple[str, ...] = ("run", "s.yaml")
    silent_on: tuple[str, ...] = ()
    # What only `run` is asked for (a selection, candidates of the command line), `validate` cannot find.
    validates: bool = True


def outside(folder: Path) -> None:
    (folder.parent / "outside.png").write_bytes(b"\x89PNG secret bytes")


def link(folder: Path) -> None:
    outside(folder)
    folder.joinpath("pictures/link.png").symlink_to(folder.parent / "outside.png")


def folder_of(path: str) -> dict[str, File]:
    dataset = {"path": "pictures", "source": "folder", "options": {"index": "index.csv"}}
    return {
        "s.yaml": suite(dataset=dataset, task={"prompt": "see", "image": "{{ image }}"}),
        "pictures/index.csv": f"id,file,target\np1,{path},cat\n",
    }


CASES: dict[str, Case] = {
    # data
    "empty dataset": Case({"d.jsonl": ""}, ("s.yaml", "the dataset is empty", "nothing is measured"), 5),
    "only blank lines": Case({"d.jsonl": "\n \n\n"}, ("the dataset is empty",), 5),
    "no dataset file": Case({"s.yaml": suite(dataset="no.jsonl")}, ("s.yaml:3:", "no.jsonl")),
    "nearly the dataset file": Case({"s.yaml": suite(dataset="dd.jsonl")}, ("s.yaml:3:", "did you mean 'd.jsonl'?")),
    "not JSON": Case({"d.jsonl": lines(GOOD[0]) + "{oops\n"}, ("d.jsonl:2:", "JSON")),
    "a list as a record": Case({"d.jsonl": lines(GOOD[0]) + "[1]\n"}, ("d.jsonl:2:", "object")),
    "duplicate ids": Case({"d.jsonl": lines(*GOOD, {**GOOD[0], "target": "9"})}, ("d.jsonl:5:", "'s0'", "d.jsonl:1")),
    "missing field": Case({"d.jsonl": lines(GOOD[0], {"id": "x", "target": "1"})}, ("d.jsonl:2:", "input", "id, target")),
    "missing target": Case(
        {"d.jsonl": lines(GOOD[0], {"id": "x", "input": {"text": "1"}})}, ("d.jsonl:2:", "'x'", "target")
    ),
    "bad UTF-8": Case(
        {"d.jsonl": lines(GOOD[0]).encode() + b'{"id":"x","input":{"text":"\xff\xfe"},"target":"1"}\n'},
        ("d.jsonl:2:", "UTF-8"),
    ),
    "bad UTF-8 in a CSV": Case(
        {"s.yaml": suite(dataset={"path": "d.csv", "fields": {"input": {"text": "q"}}}), "d.csv": b"id,q,target\n1,\xff,2\n"},
        ("d.csv", "UTF-8"),
    ),
    "NaN in data": Case({"d.jsonl": '{"id":"x","input":{"text":"1"},"target":NaN}\n'}, ("d.jsonl:1:", "NaN")),
    "infinity in data": Case({"d.jsonl": '{"id":"x","input":{"text":"1"},"target":-Infinity}\n'}, ("d.jsonl:1:", "Infinity")),
    "a number too large": Case({"d.jsonl": '{"id":"x","input":{"text":"1"},"target":1e999}\n'}, ("d.jsonl:1:",)),
    "lone surrogate": Case({"d.jsonl": '{"id":"x","input":{"text":"\\ud800"},"target":"1"}\n'}, ("d.jsonl:1:",)),
    "wrong target type": Case(
        {"s.yaml": suite(scorers=["numeric"]), "d.jsonl": lines(GOOD[0], {**GOOD[1], "target": "many"})},
        ("d.jsonl:2:", "'s1'", "number"),
    ),
    "sixty wrong targets": Case(
        {
            "s.yaml": suite(scorers=["numeric"]),
            "d.jsonl": lines(*({"id": str(n), "input": {"text": "x"}, "target": "many"} for n in range(60))),
        },
        ("and 40 more samples with a wrong target",),
    ),
    "a filter with a mistake": Case({"s.yaml": suite(dataset={"path": "d.jsonl", "filter": "id =="})}, ("s.yaml:3:", "filter")),
    "a filter that runs code": Case(
        {"s.yaml": suite(dataset={"path": "d.jsonl", "filter": "__import__('os').system('touch hacked')"})},
        ("s.yaml:3:", "filter"),
    ),
    "a filter that selects nothing": Case(
        {"s.yaml": suite(dataset={"path": "d.jsonl", "filter": 'id == "nobody"'})}, ("s.yaml", "nothing is measured"), 5
    ),
    "unknown sample id": Case({}, ("'nobody'",), argv=("run", "s.yaml", "--sample-id", "nobody"), validates=False),
    "nearly a sample id": Case({}, ("did you mean", "'s1'"), argv=("run", "s.yaml", "--sample-id", "s1x"), validates=False),
    "nothing failed last time": Case({}, ("no sample is selected",), 5, ("run", "s.yaml", "--only-failed"), validates=False),
    "unknown column": Case({"s.yaml": suite(dataset={"path": "d.jsonl", "fields": {"target": "tarket"}})}, ("tarket", "target")),
    "path out of the project": Case({"s.yaml": suite(dataset="../../../etc/passwd.jsonl")}, ("s.yaml:3:",)),
    "index with ..": Case({**folder_of("../../outside.png"), "": outside}, ("index.csv:2:", "../../outside.png")),
    "index with an absolute path": Case({**folder_of("/etc/passwd"), "": outside}, ("index.csv:2:", "/etc/passwd")),
    "index with a symlink": Case({**folder_of("link.png"), "": link}, ("link.png",)),
    "index names no file": Case(folder_of("none.png"), ("index.csv:2:", "none.png")),
    "card with a mistake": Case(
        {"s.yaml": suite(dataset={"path": "d.jsonl", "card": "card.yaml"}), "card.yaml": "a: [\n"}, ("card.yaml",)
    ),
    "SQL with a mistake": Case(
        {"s.yaml": suite(dataset={"source": "sql", "options": {"query": "selec 1"}})}, ("s.yaml:3:",)
    ),
    # suites
    "no such suite": Case({}, ("no.yaml", "there is no such file"), argv=("run", "no.yaml")),
    "empty folder": Case({"empty/x.txt": ""}, ("no suite in this folder",), argv=("run", "empty")),
    "empty suite file": Case({"s.yaml": ""}, ("s.yaml",)),
    "unknown key": Case({"s.yaml": suite(scorres=["exact_match"])}, ("s.yaml:7:", "scorres", "did you mean 'scorers'")),
    "unknown nested key": Case({"s.yaml": suite(task={"promt": "x"})}, ("s.yaml:4:", "did you mean 'prompt'")),
    "no scorers": Case({"s.yaml": suite(scorers=None)}, ("s.yaml", "no scorers", "nothing is asserted"), 5),
    "no family": Case({"s.yaml": suite(family=None)}, ("s.yaml", "family")),
    "unknown scorer": Case({"s.yaml": suite(scorers=["exact_mach"])}, ("s.yaml:5:", "did you mean 'exact_match'?")),
    "unknown scorer option": Case({"s.yaml": suite(scorers=["numeric(tolerence=1)"])}, ("s.yaml:5:", "tolerance")),
    "scorer that does not parse": Case({"s.yaml": suite(scorers=["numeric(tolerance=)"])}, ("s.yaml:5:",)),
    "wrong scorer option": Case({"s.yaml": suite(scorers=["numeric(tolerance=-1)"])}, ("s.yaml:5:", "tolerance")),
    "bad regex": Case({"s.yaml": suite(scorers=["regex(pattern='[')"])}, ("s.yaml:5:",)),
    "unknown extraction": Case({"s.yaml": suite(task={"prompt": "x", "extract": "last_numer"})}, ("s.yaml:4:", "last_number")),
    "unknown family": Case({"s.yaml": suite(family="generalists")}, ("s.yaml:2:", "did you mean 'generalist'?")),
    "unknown source": Case({"s.yaml": suite(dataset={"path": "d.jsonl", "source": "jsonll"})}, ("s.yaml:3:", "'jsonl'")),
    "unknown source option": Case({"s.yaml": suite(dataset={"path": "d.jsonl", "options": {"colour": 1}})}, ("s.yaml:3:", "colour")),
    "unknown candidate": Case({"s.yaml": suite(candidates=["majorty"])}, ("s.yaml:6:", "did you mean 'majority'?")),
    "unknown provider": Case({"s.yaml": suite(candidates=["opnai/gpt"])}, ("s.yaml:6:", "did you mean 'openai'?")),
    "candidate of the command line": Case({}, ("did you mean 'mock'?",), argv=("run", "s.yaml", "-c", "mok/x"), validates=False),
    "provider without a model": Case({"s.yaml": suite(candidates=["openai/"])}, ("names no model",)),
    "no candidate": Case({"s.yaml": suite(candidates=None)}, ("s.yaml:1:", "no candidate", "-c")),
    "learning without a split": Case({"s.yaml": suite(candidates=["majority"])}, ("s.yaml:3:", "learns", "split")),
    "duplicate suite names": Case(
        {"a.yaml": suite(name="same"), "b.yaml": suite(name="same"), "s.yaml": suite(name="other")},
        ("b.yaml:1:", "'same'", "a.yaml"),
        argv=("run", "."),
    ),
    "name with a path": Case({"s.yaml": suite(name="../x")}, ("s.yaml:1:",)),
    "number where text belongs": Case({"s.yaml": suite(repeats="many")}, ("s.yaml:7:", "repeats")),
    "zero repeats": Case({"s.yaml": suite(repeats=0)}, ("s.yaml:7:", "repeats")),
    "a literal key": Case({"s.yaml": suite(task={"prompt": "x", "generation": {"extra": {"api_key": "sk-abcdefghijklmnop1234"}}})},
        ("s.yaml:4:", "secret"), silent_on=("sk-abcdefghijklmnop1234",)),
    "YAML syntax": Case({"s.yaml": "name: s\nfamily: [generalist\ndataset: d.jsonl\n"}, ("s.yaml:3:",)),
    "tabs": Case({"s.yaml": "name: s\ntask:\n\tprompt: x\n"}, ("s.yaml:3:", "tab")),
    "a key twice": Case({"s.yaml": suite() + "seed: 1\nseed: 2\n"}, ("s.yaml:8:", "seed")),
    "YAML tags": Case({"s.yaml": "name: !!python/object/apply:os.system ['touch hacked']\n"}, ("s.yaml:1:",)),
    "YAML bomb": Case(
        {"s.yaml": "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"}, ("s.yaml:",)
    ),
    "suite in Latin-1": Case({"s.yaml": b"name: s\ndescription: caf\xe9\n"}, ("s.yaml", "UTF-8")),
    # prompts
    "undefined variable": Case({"s.yaml": suite(task={"prompt": "{{ txet }}"})}, ("s.yaml:4:", "'txet'", "text")),
    "prompt syntax": Case({"s.yaml": suite(task={"prompt": "{{ text"})}, ("s.yaml:4:",)),
    "prompt file syntax": Case({"s.yaml": suite(task={"prompt": {"file": "p.md"}}), "p.md": "a\nb {% if %}\n"}, ("p.md", "2")),
    "missing prompt file": Case({"s.yaml": suite(task={"prompt": {"file": "no.md"}})}, ("s.yaml:4:", "no.md")),
    "prompt file out of the project": Case({"s.yaml": suite(task={"prompt": {"file": "/etc/passwd"}})}, ("s.yaml:4:", "/etc/passwd"), silent_on=("root:",)),
    "prompt that includes a file": Case({"s.yaml": suite(task={"prompt": "{% include '../../etc/passwd' %}"})}, ("s.yaml",), silent_on=("root:",)),
    "prompt that reads the environment": Case({"s.yaml": suite(task={"prompt": "{{ environ.HOME }}"})}, ("s.yaml:4:", "'environ'")),
    "prompt that reads attributes": Case(
        {"s.yaml": suite(task={"prompt": "{{ text.__class__.__mro__[1].__subclasses__() }}"})}, ("s.yaml", "__class__")
    ),
    "prompt that calls": Case({"s.yaml": suite(task={"prompt": "{{ cycler.__init__.__globals__.os.popen('id').read() }}"})}, ("s.yaml",), silent_on=("uid=",)),
    # the project
    "evalkit.yaml syntax": Case({"evalkit.yaml": "candidates: {\n"}, ("evalkit.yaml:", "YAML")),
    "evalkit.yaml unknown key": Case({"evalkit.yaml": "candidate: {}\n"}, ("evalkit.yaml:1:", "did you mean 'candidates'?")),
    "evalkit.yaml with a key in it": Case(
        {"evalkit.yaml": "candidates:\n  a: {provider: openai, model: m, api_key: sk-abcdefghijklmnop1234}\n"},
        ("evalkit.yaml:2:", "secret"), silent_on=("sk-abcdefghijklmnop1234",)),
    "evalkit.yaml wrong candidate": Case({"evalkit.yaml": "candidates:\n  a: {provider: opnai, model: m}\n"}, ("evalkit.yaml:2:", "did you mean 'openai'?")),
    "evalkit.yaml is a list": Case({"evalkit.yaml": "- a\n"}, ("evalkit.yaml",)),
    "candidate with unknown option": Case(
        {"evalkit.yaml": "candidates:\n  a: {provider: mock, model: m, p: 0.5, error_rat: 1}\n", "s.yaml": suite(candidates=["a"])},
        ("error_rate", "evalkit.yaml:2"),
    ),
    "replay without its file": Case(
        {"evalkit.yaml": "candidates:\n  a: {provider: replay, path: no.jsonl}\n", "s.yaml": suite(candidates=["a"])}, ("no.jsonl",)
    ),
    # several at once
    "several in several suites": Case(
        {
            "a.yaml": suite(name="a", family="nope", repeats=0, scorers=["exact_mach"]),
            "b.yaml": suite(name="b", dataset="none.jsonl", task={"prompt": {"file": "no.md"}}),
            "c.yaml": suite(name="c", dataset="c.jsonl"),
            "c.jsonl": '{"id":"x"}\nnonsense\n',
            "e.yaml": suite(name="e", candidates=["majorty"]),
            "f.yaml": suite(name="f", scorers=None),
            "g.yaml": suite(name="g", task={"prompt": "{{ txet }}"}),
        },
        (
            "a.yaml:2:", "a.yaml:5:", "a.yaml:7:", "b.yaml:3:", "b.yaml:4:", "c.jsonl:1:", "c.jsonl:2:", "majorty",
            "f.yaml", "no scorers", "g.yaml:4:", "problems; nothing was asked, nothing was spent",
        ),
        argv=("run", "."),
    ),
    # commands
    "no command line": Case({}, ("Missing argument",), argv=("run",), validates=False),
    "unknown verb": Case({}, ("runn",), argv=("runn",), validates=False),
    "unknown option": Case({}, ("--limt",), argv=("run", "s.yaml", "--limt", "3"), validates=False),
    "limit of nothing": Case({}, ("--limit",), argv=("run", "s.yaml", "--limit", "0"), validates=False),
    "unknown run": Case({}, ("there is no store",), argv=("show", "r9"), validates=False),
    "SQL that writes": Case({}, ("there is no store",), argv=("sql", "select 1"), validates=False),
    "a new suite of no family": Case({}, ("'generalist'",), argv=("new", "suite", "x", "--family", "generalst"), validates=False),
    "a new suite of no name": Case({}, ("no name for a suite",), argv=("new", "suite", "../x"), validates=False),
    "an unknown model": Case({}, ("did you mean 'smollm2-135m'?",), argv=("models", "get", "smollm2-135"), validates=False),
}  # fmt: skip


def prepare(folder: Path, files: dict[str, File]) -> None:
    for name, content in {"s.yaml": suite(), "d.jsonl": lines(*GOOD), **files}.items():
        path = folder / name
        if callable(content):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for content in files.values():
        if callable(content):
            content(folder)


def called(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_said(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case, folder = CASES[name], tmp_path / "project"
    prepare(folder, case.files)
    monkeypatch.chdir(folder)
    code, out, err = called(case.argv, capsys)
    assert code == case.code, err
    for words in case.says:
        assert words in err, err
    for words in ("Traceback", "internal error", *case.silent_on):
        assert words not in out + err
    assert not (folder / "hacked").exists()
    if not case.validates:
        return
    # Nothing was asked: there is no run, and `validate` would have said the same.
    again = called(("validate", *case.argv[1:]), capsys)
    told = [line for line in err.splitlines() if not line.startswith("warning: ")]
    assert (again[0], again[2].splitlines()) == (code, told)
    assert not list(folder.glob(".evalkit/runs/*"))


def test_a_byte_order_mark_is_no_part_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = "\ufeff"
    files = {
        "evalkit.yaml": mark + "defaults: {store: kept}\n",
        "s.yaml": mark + suite(task={"prompt": {"file": "p.md"}}),
        "p.md": mark + "{{ text }}",
        "d.jsonl": mark + lines(*GOOD),
        "c.yaml": suite(
            name="c", dataset={"path": "d.csv", "fields": {"id": "id", "input": {"text": "q"}, "target": "a"}}
        ),
        "d.csv": mark + "id,q,a\n1,1+1,2\n",
    }
    prepare(tmp_path, dict(files))
    monkeypatch.chdir(tmp_path)
    code, out, err = called(("run", ".", "--csv"), capsys)
    assert code == 0, err
    assert [row.split(",")[0] for row in out.splitlines()] == ["suite", "c", "s"]
    assert (tmp_path / "kept/store.duckdb").is_file()
    code, out, _ = called(("sql", "select body from prompt", "--json"), capsys)
    assert json.loads(out) == []
    assert called(("sql", "select sample_id from sample where input like '%1+1%' order by all", "--csv"), capsys)[
        1
    ] == ("sample_id\n1\ns1\n")


def test_a_line_of_fifty_megabytes_is_an_answerable_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(
        tmp_path,
        {"d.jsonl": lines(GOOD[0], {"id": "big", "input": {"text": "x" * 50_000_000}, "target": "y"}, GOOD[1])},
    )
    monkeypatch.chdir(tmp_path)
    code, _, err = called(("run", "s.yaml", "-q"), capsys)
    assert code == 0, err
    code, out, _ = called(
        ("sql", "select length(input) > 50000000 as large from sample order by sample_id", "--csv"), capsys
    )
    assert out.split() == ["large", "True", "False", "False"]


def test_what_is_said_is_said_by_the_command_itself_too(tmp_path: Path) -> None:
    case = CASES["several in several suites"]
    prepare(tmp_path, case.files)
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_TOKEN", "_SECRET"))
    }
    for verb in ("run", "validate"):
        done = subprocess.run(
            [sys.executable, "-m", "evalkit", verb, "."],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert [words for words in case.says if words not in done.stderr] == []
        assert done.stdout == ""
        assert "Traceback" not in done.stderr


def test_a_store_that_is_there_refuses_what_it_does_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(tmp_path, {})
    monkeypatch.chdir(tmp_path)
    assert called(("run", "s.yaml", "-q"), capsys)[0] == 0
    refused = {
        ("show", "r9"): "there is no run 'r9'",
        ("show", "2"): None,
        ("show", "last", "--sample", "nobody"): "has no sample 'nobody'",
        ("cost", "r9"): "there is no run 'r9'",
        ("explain-miss", "r9"): "there is no run 'r9'",
        ("export", "r9", "-o", "out"): "there is no run 'r9'",
        ("score", "r9", "-s", "exact_match"): "there is no run 'r9'",
        ("score", "last", "-s", "exact_mach"): "did you mean 'exact_match'",
        ("score", "last", "-s", "numeric(tolerence=1)", "-s", "nope"): "2 problems",
        ("sql", "delete from run"): "read-only",
        ("sql", "selec 1"): "selec",
        ("sql", "select * from read_csv('/etc/passwd')"): "/etc/passwd",
        ("sql", "select * from leaderbord"): "leaderbord",
        ("sql", "copy run to 'hacked'"): "disabled",
    }
    for argv, words in refused.items():
        code, out, err = called(argv, capsys)
        if words is None:
            assert code == 0, argv
            continue
        assert code == 2, (argv, err)
        assert words in err, (argv, err)
        assert "root:" not in out + err
        assert "Traceback" not in err
    assert not (tmp_path / "hacked").exists()
