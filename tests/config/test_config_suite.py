"""Suites: good ones load, bad ones say everything at once, hashes move with what they stand for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evalkit.config.parts import Generation, spec_text
from evalkit.config.suite import LoadResult, SuiteFile, load_suites, normalised
from evalkit.core.spec import Spec
from evalkit.core.types import Suite

CASES = Path(__file__).parent.parent / "cases" / "config"
BAD = sorted((CASES / "bad").glob("*.yaml"))
GOOD = sorted((CASES / "good").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _at_the_repository_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])


def write(folder: Path, text: str, name: str = "s.yaml") -> Path:
    (folder / "d.jsonl").write_text("{}\n")
    file = folder / name
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text(text)
    return file


def one(folder: Path, known: dict[str, Any], more: str = "", scorers: str = "scorers: [exact_match]") -> SuiteFile:
    file = write(folder, f"family: generalist\ndataset: d.jsonl\n{scorers}\n{more}")
    found = load_suites([file], **known)
    assert list(map(str, found.problems)) == []
    return found.suites[0]


@pytest.mark.parametrize("file", BAD, ids=[file.stem for file in BAD])
def test_bad_suites_list_every_problem(file: Path, known: dict[str, Any]) -> None:
    found = load_suites([file], **known, roots=[CASES])
    assert found.suites == ()
    said = [f"{p.line}: {p.message}" + (f" ({p.hint})" if p.hint else "") for p in found.problems]
    assert [line.replace(str(CASES), "ROOT") for line in said] == file.with_suffix(".txt").read_text().splitlines()
    assert {p.file for p in found.problems} == {str(file.relative_to(Path.cwd()))}


@pytest.mark.parametrize("file", GOOD, ids=[file.stem for file in GOOD])
def test_good_suites_load(file: Path, known: dict[str, Any]) -> None:
    found = load_suites([file], **known, roots=[CASES])
    assert found.problems == found.empty == ()
    (suite,) = found.suites
    assert suite.root == CASES
    assert suite.base == file.parent
    assert json.loads(normalised(suite)) == suite.noun("d").spec
    assert all(str(Spec.parse(text)) == text for text in suite.model.scorers)


def everything(known: dict[str, Any]) -> SuiteFile:
    return load_suites([CASES / "good" / "everything.yaml"], **known, roots=[CASES]).suites[0]


def test_every_key_arrives_where_it_belongs(known: dict[str, Any]) -> None:
    suite = everything(known)
    assert suite.name == "all-keys"
    assert suite.source == "jsonl"
    assert suite.data_path == CASES / "good" / "data" / "items.jsonl"
    assert suite.fields == {
        "id": "key",
        "input": {"text": "body", "image": "picture?"},
        "target": ["first", "second"],
        "group": "author",
        "tags": {"lang": "language"},
        "meta": ["url"],
        "checks": None,
    }
    assert suite.model.scorers == (
        "exact_match", "numeric(tolerance=0.01)", "numeric(tolerance=0.1)", "ndcg@10(gain='exp')", "refusal",
    )  # fmt: skip
    assert suite.prompts == ("short", "long", "talk")
    assert suite.response_schema == {"type": "object", "properties": {"label": {"type": "string"}}}
    assert suite.lines["scorers[1]"] == 57
    assert suite.model.task.prompts["talk"].candidates == ("haiku",)


def test_asking_holds_texts_and_not_files(known: dict[str, Any]) -> None:
    suite = everything(known)
    label = "Label this: {{ text }}\n"
    shared = {"image": "{{ image }}", "audio": "{{ audio }}", "shots": {"count": 4, "seed": 7, "from": "train"}}
    assert suite.asking("short") == {"system": label, "prompt": "Label: {{ text }}", **shared}
    assert suite.asking("long") == {"system": label, "prompt": label, **shared}
    assert suite.asking("talk") == {
        "system": "Be kind.",
        "messages": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": ["Hi", "there"]},
            {"role": "user", "content": [label, {"image": "{{ image }}"}, {"audio": "{{ audio }}"}]},
        ],
        **shared,
    }
    with pytest.raises(KeyError):
        suite.asking("nobody")


def test_generation_is_the_core_noun_and_candidates_go_first(known: dict[str, Any], tmp_path: Path) -> None:
    made = everything(known).generation()
    assert (made.temperature, made.stop, made.effort, made.thinking_tokens) == (0.0, ("\n\n", "END"), "low", 1024)
    assert made.schema == {"type": "object", "properties": {"label": {"type": "string"}}}
    over = Generation.model_validate({"temperature": 1.0, "stream": False, "extra": {"n": ("a",)}})
    mixed = everything(known).generation(over)
    assert (mixed.temperature, mixed.stream, mixed.logprobs) == (1.0, False, True)
    assert mixed.extra == {"user": "evalkit", "n": ["a"]}
    plain = one(tmp_path, known)
    assert plain.generation() == plain.generation(Generation())
    assert plain.generation().schema is None


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("d.jsonl", "jsonl"),
        ("d.NDJSON", "jsonl"),
        ("d.csv", "csv"),
        ("d.tsv", "csv"),
        ("d.parquet", "parquet"),
        ("d", "folder"),
    ],
)
def test_the_source_follows_from_the_path(path: str, source: str, known: dict[str, Any], tmp_path: Path) -> None:
    if source == "folder":
        (tmp_path / path).mkdir()
    else:
        (tmp_path / path).write_text("")
    file = write(tmp_path, f"family: generalist\ndataset: {path}\nscorers: [exact_match]\n")
    (suite,) = load_suites([file], **known).suites
    assert suite.source == source
    assert suite.data_path == (tmp_path / path).resolve()


def test_a_source_without_a_path(known: dict[str, Any]) -> None:
    (suite,) = load_suites([CASES / "good" / "labels_stay_text.yaml"], **known, roots=[CASES]).suites
    assert (suite.source, suite.data_path) == ("sql", None)
    assert suite.model.dataset.options == {
        "query": "select 1",
        "label": "no",
        "day": "2024-01-01",
        "octal": 10,
        "small": 1e-3,
    }
    assert suite.asking() == {"system": "{{ text }}", "prompt": "{{ text }}"}
    assert suite.model.task.generation.stop == ("on",)


def test_a_suite_without_scorers_asserts_nothing(known: dict[str, Any], tmp_path: Path) -> None:
    file = write(tmp_path, "family: generalist\ndataset: d.jsonl\nscorers: []\n")
    found = load_suites([file], **known)
    assert found.problems == ()
    assert len(found.suites) == 1
    (problem,) = found.empty
    assert "'s' has no scorers: nothing is asserted" in problem.message
    assert (problem.line, problem.file) == (3, str(file))
    checked = write(tmp_path, "family: generalist\ndataset: {path: d.jsonl, fields: {checks: c}}\n")
    assert load_suites([checked], **known).empty == ()


def test_a_margin_of_zero_is_noted(known: dict[str, Any], tmp_path: Path) -> None:
    file = write(
        tmp_path, "family: generalist\ndataset: d.jsonl\nscorers: [cost]\ngates:\n  - {metric: x, margin: 0}\n"
    )
    found = load_suites([file], **known)
    assert found.problems == ()
    assert [(note.line, note.message.split(":")[0]) for note in found.notes] == [(5, "gates[0].margin")]


def test_folders_are_searched_and_each_file_is_read_once(known: dict[str, Any], tmp_path: Path) -> None:
    text = "family: generalist\ndataset: {source: sql}\nscorers: [cost]\n"
    for name in ("b.yaml", "a.yml", "deep/er/c.yaml", ".hidden/d.yaml", "card.yaml", "evalkit.yaml", "notes.txt"):
        write(tmp_path, text, name)
    found = load_suites([tmp_path, tmp_path / "b.yaml", str(tmp_path / "deep")], **known)
    assert found.problems == ()
    assert [suite.name for suite in found.suites] == ["a", "b", "c"]


def test_paths_that_mean_nothing(known: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path, "family: generalist\ndataset: d.jsonl\nscorers: [cost]\n", "tickets.yaml")
    paths = [tmp_path / "empty", tmp_path / "tikets.yaml", tmp_path / "no" / "where.yaml"]
    assert [(p.file, p.message) for p in load_suites(paths, **known).problems] == [
        (str(tmp_path / "empty"), "no suite in this folder"),
        (str(tmp_path / "tikets.yaml"), "there is no such file or folder"),
        (str(tmp_path / "no" / "where.yaml"), "there is no such file or folder"),
    ]
    hints = [p.hint for p in load_suites(paths, **known).problems]
    assert hints[1] == f"did you mean {str(tmp_path / 'tickets.yaml')!r}?"
    assert hints[2] is None
    assert load_suites([], **known) == LoadResult()


def test_two_suites_of_one_name(known: dict[str, Any], tmp_path: Path) -> None:
    text = "family: generalist\nname: same\ndataset: d.jsonl\nscorers: [cost]\n"
    files = [write(tmp_path, text, name) for name in ("a.yaml", "b.yaml")]
    (problem,) = load_suites(files, **known).problems
    assert (problem.file, problem.line) == (str(files[1]), 2)
    assert problem.message == f"a suite 'same' is already in {files[0]}"


def test_files_may_lie_in_named_roots_only(known: dict[str, Any], tmp_path: Path) -> None:
    inner, other = tmp_path / "inner", tmp_path / "other"
    inner.mkdir()
    other.mkdir()
    (other / "d.jsonl").write_text("")
    absolute = other / "d.jsonl"
    (inner / "link.jsonl").symlink_to(absolute)
    for path in ("../other/d.jsonl", str(absolute), "link.jsonl", '"a\\0b"'):
        file = write(inner, f"family: generalist\ndataset: {path}\nscorers: [cost]\n")
        (problem,) = load_suites([file], **known).problems
        assert "lies outside" in problem.message or "null" in problem.message
        assert problem.line == 2
        allowed = load_suites([file], **known, roots=[inner, other])
        assert bool(allowed.problems) == ("\\0" in path)


def test_a_path_from_the_project_root_gets_the_right_hint(known: dict[str, Any], tmp_path: Path) -> None:
    file = write(tmp_path, "family: generalist\ndataset: d.jsonl\nscorers: [cost]\n", "suites/deep/s.yaml")
    (problem,) = load_suites([file], **known, roots=[tmp_path]).problems
    assert problem.hint == "paths start at the folder of this file; did you mean '../../d.jsonl'?"


@pytest.mark.parametrize("name", ["loop.md", "x" * 300, "d.jsonl/p.md"])
def test_an_unreadable_text_file_is_a_problem(name: str, known: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "loop.md").symlink_to(tmp_path / "loop.md")
    file = write(
        tmp_path, f"family: generalist\ndataset: d.jsonl\nscorers: [cost]\ntask: {{prompt: {{file: {name}}}}}\n"
    )
    found = load_suites([file], **known)
    assert found.suites == ()
    assert [problem.line for problem in found.problems] == [4]
    assert name[:50] in found.problems[0].message


def test_a_schema_file_is_checked(known: dict[str, Any], tmp_path: Path) -> None:
    file = write(tmp_path, "family: generalist\ndataset: d.jsonl\nscorers: [cost]\ntask:\n  schema: {file: s.json}\n")
    for text, wrong in (
        ("[]", "a JSON object is needed"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"type": 3}', "$.type"),
    ):
        (tmp_path / "s.json").write_text(text)
        (problem,) = load_suites([file], **known).problems
        assert wrong in problem.message
        assert problem.line == 5


def base_hashes(folder: Path, known: dict[str, Any]) -> tuple[str, str]:
    suite = one(folder, known, TASK)
    return suite.task_hash(), suite.suite_hash()


TASK = "task: {prompt: {file: p.md}, generation: {temperature: 0}}\n"
CHANGES = [
    ("gates:\n  - {metric: a, margin: 0.1}\n", False, False),
    ("description: d\n", False, False),
    ("limits: {retries: 3}\n", False, False),
    ("candidates: [x]\n", False, False),
    ("slices: [x]\n", False, False),
    ("primary: x\n", False, False),
    ("repeats: 2\n", False, True),
    ("seed: 2\n", False, True),
    ("repeats: 1\nseed: 0\n", False, False),
]


@pytest.mark.parametrize(("more", "task", "suite"), CHANGES)
def test_hashes_move_with_what_they_stand_for(
    more: str, task: bool, suite: bool, known: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "p.md").write_text("Say it.")
    before = base_hashes(tmp_path, known)
    changed = one(tmp_path, known, TASK + more)
    assert (changed.task_hash() != before[0], changed.suite_hash() != before[1]) == (task, suite)


@pytest.mark.parametrize(
    "task",
    [
        "{prompt: {file: p.md}, generation: {temperature: 1}}",
        "{prompt: {file: p.md}}",
        "{prompt: other, generation: {temperature: 0}}",
        "{prompt: {file: p.md}, system: s, generation: {temperature: 0}}",
        "{prompt: {file: p.md}, shots: 1, generation: {temperature: 0}}",
        "{prompt: {file: p.md}, schema: {type: object}, generation: {temperature: 0}}",
        "{messages: [{role: user, content: {file: p.md}}], generation: {temperature: 0}}",
    ],
)
def test_the_task_hash_covers_the_task(task: str, known: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("Say it.")
    before = base_hashes(tmp_path, known)
    changed = one(tmp_path, known, f"task: {task}\n")
    assert changed.task_hash() != before[0]
    assert changed.suite_hash() != before[1]


def test_hashes_follow_file_contents_and_not_file_names(known: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("Say it.")
    before = base_hashes(tmp_path, known)
    (tmp_path / "q.md").write_bytes(b"\xef\xbb\xbfSay it.")
    assert one(tmp_path, known, TASK.replace("p.md", "q.md")).task_hash() == before[0]
    assert one(tmp_path, known, TASK.replace("{file: p.md}", "Say it.")).suite_hash() == before[1]
    (tmp_path / "p.md").write_text("Say it!")
    assert base_hashes(tmp_path, known)[0] != before[0]
    assert one(tmp_path, known, TASK).task_hash(texts="included") != one(tmp_path, known, TASK).task_hash()


def test_scorers_and_extraction_are_of_the_suite_and_not_of_the_task(known: dict[str, Any], tmp_path: Path) -> None:
    plain = one(tmp_path, known)
    for more, scorers in (("task: {extract: last_number}", "scorers: [exact_match]"), ("", "scorers: [cost]")):
        changed = one(tmp_path, known, more, scorers)
        assert changed.task_hash() == plain.task_hash()
        assert changed.suite_hash() != plain.suite_hash()
    ordered = [
        one(tmp_path, known, "", f"scorers: [{names}]").suite_hash() for names in ("cost, latency", "latency, cost")
    ]
    assert ordered[0] == ordered[1]


@pytest.mark.parametrize(
    ("dataset", "moves"),
    [
        ("{path: e.jsonl}", False),
        ("{path: d.jsonl, limit: 5}", True),
        ("{path: d.jsonl, filter: a == 1}", True),
        ("{path: d.jsonl, split: {kind: kfold}}", True),
        ("{path: d.jsonl, fields: {id: x}}", False),
    ],
)
def test_where_data_lie_is_no_part_of_a_hash(dataset: str, moves: bool, known: dict[str, Any], tmp_path: Path) -> None:
    plain = one(tmp_path, known)
    (tmp_path / "e.jsonl").write_text("")
    file = write(tmp_path, f"family: generalist\ndataset: {dataset}\nscorers: [exact_match]\n")
    (changed,) = load_suites([file], **known).suites
    assert (changed.suite_hash() != plain.suite_hash()) == moves
    assert changed.task_hash() == plain.task_hash()


def test_one_prompt_of_the_matrix_has_its_own_hash(known: dict[str, Any], tmp_path: Path) -> None:
    two = one(tmp_path, known, "task: {prompts: {a: A, b: B}}")
    three = one(tmp_path, known, "task: {prompts: {a: A, b: B, c: C}}")
    alone = one(tmp_path, known, "task: {prompt: A}")
    assert two.task_hash("a") == three.task_hash("a") == alone.task_hash()
    assert two.task_hash() != three.task_hash()
    assert two.suite_hash("a") != two.suite_hash("b")


def test_a_moved_suite_keeps_its_hashes(known: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(CASES / "good", tmp_path / "elsewhere")
    here, there = everything(known), load_suites([tmp_path / "elsewhere" / "everything.yaml"], **known).suites[0]
    assert (here.task_hash("long"), here.suite_hash("long")) == (there.task_hash("long"), there.suite_hash("long"))


def test_the_noun_carries_the_suite(known: dict[str, Any]) -> None:
    suite = everything(known)
    noun = suite.noun("data", "short")
    assert isinstance(noun, Suite)
    assert (noun.name, noun.family, noun.repeats, noun.seed) == ("all-keys", "generalist", 3, 11)
    assert (noun.data_hash, noun.task_hash) == ("data", suite.task_hash("short"))
    assert noun.suite_hash == suite.suite_hash("short")
    assert noun.lines["task.extract"] == suite.lines["task.extract"]
    assert noun.file == str(suite.path)
    assert noun.spec["dataset"]["split"] == {"kind": "kfold", "k": 3, "seed": 4, "grouped": False}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("numeric( tolerance = 0.01 )", "numeric(tolerance=0.01)"),
        ({"numeric": {"tolerance": 0.01}}, "numeric(tolerance=0.01)"),
        ({"ndcg@10": None}, "ndcg@10"),
        ({"a(x=1)": {"y": [1, {"z": None}]}}, "a(x=1, y=[1, {'z': None}])"),
    ],
)
def test_long_and_short_specs_are_one(value: Any, text: str) -> None:
    assert spec_text(value) == text


@pytest.mark.parametrize("value", [{"a": {"not-a-name": 1}}, {"a b": None}, {"a": 3}, {}, 3, "a(b)"])
def test_wrong_specs_are_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        spec_text(value)
