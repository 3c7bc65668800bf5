"""Folders and exit codes of `evalkit gate`: every way to a verdict, and every silent pass that other tools allow."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from evalkit.cli.main import main

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_gate_world import Shelf, World

GOOD = World()
FILE = ("-b", "base.json")
RELEASE = ("--policy", "release")
RUN = ("run", "s.yaml", "-q")


def edit(change: Callable[[dict], None]) -> Callable[[Path], None]:
    """Change the one entry of the exported baseline."""

    def apply(folder: Path) -> None:
        document = json.loads((folder / "base.json").read_text())
        change(document)
        (folder / "base.json").write_text(json.dumps(document))

    return apply


def cells(document: dict) -> dict:
    return document["entries"][0]["cells"]


def scores(document: dict) -> dict:
    return document["entries"][0]["scores"][0]


def remove_baseline(folder: Path) -> None:
    (folder / "base.json").unlink()


def no_store(folder: Path) -> None:
    (folder / ".evalkit" / "store.duckdb").unlink()


@dataclass(frozen=True)
class Case:
    """Two worlds, each run; the first is exported as base.json. Then the gate, its code, and what it says."""

    code: int
    after: World
    says: tuple[str, ...]
    before: World | None = GOOD
    argv: tuple[str, ...] = FILE
    run: tuple[str, ...] = RUN
    last: World | Callable[[Path], None] | None = None
    silent_on: tuple[str, ...] = field(default=())


def gates(*listed: dict, **more: object) -> dict:
    return {"gates": list(listed), **more}


EXACT = {"metric": "exact_match", "margin": 0.05}
NUMERIC = {**gates({"metric": "numeric", "margin": 0.05}), "scorers": ["numeric"]}
RMSE = {**gates({"metric": "rmse", "margin": 1.0}), "scorers": ["regression"]}
LOOSE = {"scorers": ["exact_match(normaliser='casefold')"]}
CASES: dict[str, Case] = {
    # verdicts
    "the same answers pass": Case(0, GOOD, ("PASS s", "100.0 %")),
    "a clear loss": Case(3, World(wrong=20), ("REGRESSION s", "-20.0 points", "limit -5.0 points")),
    "a gain passes": Case(0, GOOD, ("PASS s",), before=World(wrong=10)),
    "too little to tell warns in a pull request": Case(0, World(wrong=3), ("INCONCLUSIVE", "not a pass"), silent_on=("PASS s",)),
    "too little to tell blocks a release": Case(4, World(wrong=3), ("INCONCLUSIVE",), argv=(*FILE, *RELEASE)),
    "equal scores of other answers": Case(0, World(wrong=100, shout=True), ("0.0 points",), before=World(wrong=100)),
    "three samples decide nothing": Case(
        4, World(3, wrong=3), ("few_clusters", "3 independent groups"), before=World(3), argv=(*FILE, *RELEASE)
    ),
    "one cluster decides nothing": Case(
        4, World(wrong=30, group="g"), ("few_clusters", "1 independent groups"), before=World(group="g"), argv=(*FILE, *RELEASE)
    ),
    "a slice with a veto": Case(
        3,
        World(wrong=10, suite=gates({**EXACT, "margin": 0.2}, {**EXACT, "slice": "kind:rare", "veto": True})),
        ("REGRESSION", "exact_match [kind:rare]"),
    ),
    "a floor that is kept": Case(
        0, World(wrong=5, suite=gates({"metric": "exact_match", "mode": "threshold", "floor": 0.8})), ("PASS s",), before=None, argv=()
    ),
    "a floor that is missed": Case(
        3, World(wrong=50, suite=gates({"metric": "exact_match", "mode": "threshold", "floor": 0.8})), ("REGRESSION",), before=None, argv=()
    ),
    # baselines
    "no baseline": Case(5, GOOD, ("there is no baseline 'main'", "--baseline"), before=None, argv=()),
    "no baseline, and only recorded": Case(
        0, GOOD, ("recorded only", "nothing was gated"), before=None, argv=("--record-only",), silent_on=("PASS",)
    ),
    "a name that nothing has": Case(5, GOOD, ("there is no baseline 'mian'", "runs:"), argv=("-b", "mian")),
    "no such baseline file": Case(5, GOOD, ("no baseline file base.json",), last=remove_baseline),
    "the baseline of another suite": Case(5, World(name="other"), ("base.json is a baseline of s, not of suite 'other'",)),
    "the baseline of other data": Case(5, World(content="?"), ("overlap: 0 samples are paired", "100 with changed content")),
    "60 % overlap": Case(5, World(140, skip=40), ("overlap: 60 samples are paired (60%)", "40 only in the candidate")),
    "a candidate that leaves out what is hard": Case(5, World(skip=40), ("overlap: 60 samples are paired", "40 only in the baseline")),
    "NaN in a baseline": Case(2, GOOD, ("value[3]", "finite number", "nan"), last=edit(lambda d: scores(d)["value"].__setitem__(3, float("nan")))),
    "an endless number in a baseline": Case(2, GOOD, ("value[0]", "inf"), last=edit(lambda d: scores(d)["value"].__setitem__(0, float("inf")))),
    "a negative count in a baseline": Case(
        2, GOOD, ("facts.planned", "at least 0", "-1"), last=edit(lambda d: d["entries"][0]["facts"].__setitem__("planned", -1))
    ),
    "a wrong type in a baseline": Case(2, GOOD, ("cells.cached[0]", "true or false", "'no'"), last=edit(lambda d: cells(d)["cached"].__setitem__(0, "no"))),
    "an id twice in a baseline": Case(2, GOOD, ("'s000', repeat 0 stands twice",), last=edit(lambda d: cells(d)["sample_id"].__setitem__(1, "s000"))),
    "a column too short": Case(2, GOOD, ("cells.repeat has 99 values, not 100",), last=edit(lambda d: cells(d)["repeat"].pop())),
    "a baseline of the future": Case(2, GOOD, ("version 2", "reads version 1"), last=edit(lambda d: d.update(evalkit_baseline=2))),
    "another JSON file": Case(2, GOOD, ("is no evalkit baseline",), last=lambda f: (f / "base.json").write_text("{}")),
    "no JSON": Case(2, GOOD, ("is not JSON",), last=lambda f: (f / "base.json").write_text("{oops")),
    "several things wrong are told together": Case(
        2, GOOD, ("facts.suite is missing", "value[2]"),
        last=edit(lambda d: (d["entries"][0]["facts"].pop("suite"), scores(d)["value"].__setitem__(2, "1"))),
    ),
    # what is asserted
    "a suite without gates": Case(5, World(suite={"gates": None}), ("no gate is declared", "nothing is asserted")),
    "gates, and no scorer at all": Case(5, GOOD, ("has no scorers: nothing is asserted",), last=World(suite={"scorers": None})),
    "a gate on a metric that no scorer emits": Case(2, GOOD, ("s.yaml:6", "no scorer of this suite emits 'bleu'"), last=World(suite=gates({"metric": "bleu"}))),
    "a typo in the metric": Case(2, GOOD, ("s.yaml:6", "did you mean 'exact_match'"), last=World(suite=gates({"metric": "exact_mach"}))),
    "a negative margin": Case(2, GOOD, ("s.yaml:6", "margin", "greater than or equal to 0"), last=World(suite=gates({**EXACT, "margin": -0.1}))),
    "a margin of 0 is legal and warns": Case(0, World(suite=gates({**EXACT, "margin": 0})), ("PASS",)),
    "a misspelt key of a gate": Case(2, GOOD, ("s.yaml:6", "marginn"), last=World(suite=gates({"metric": "exact_match", "marginn": 0.1}))),
    "the same gate twice": Case(2, GOOD, ("there twice",), last=World(suite=gates(EXACT, EXACT))),
    "a slice that selects nothing": Case(5, World(suite=gates({**EXACT, "slice": "kind:unheard"})), ("no paired sample is tagged 'kind:unheard'",)),
    "a folder without a suite": Case(5, GOOD, ("nothing is asserted",), argv=FILE, last=lambda f: (f / "s.yaml").unlink()),
    "no run": Case(5, GOOD, ("nothing was run here yet",), last=no_store),
    "a candidate that nobody knows": Case(2, GOOD, ("nothing is known by 'nobody'",), argv=(*FILE, "-c", "nobody")),
    # what must not pass in silence
    "a metric that vanished": Case(
        5, GOOD, ("contains: vanished", "promote a baseline without it"),
        before=World(suite=gates(EXACT, {"metric": "contains"}, scorers=["exact_match", "contains"])),
    ),
    "a slice that vanished": Case(
        5, World(rare=0, skip=4, suite=gates({**EXACT, "slice": "kind:rare"})), ("vanished: the baseline has samples of 'kind:rare'",),
        before=World(rare=4),
    ),
    "every answer an error": Case(5, World(errors=100), ("errors: 100 of 100 cells", "INVALID RUN")),
    "too many errors": Case(5, World(errors=5), ("errors: 5 of 100 cells of the candidate failed (5.0%), more than the allowed 2.0%",)),
    "errors that decide the verdict": Case(5, World(errors=2), ("errors decide",)),
    "answers that are missing from a recording": Case(5, World(missing=10), ("errors: 10 of 100",)),
    "cells that were never asked": Case(
        5, GOOD, ("100 of 100 cells of the candidate have no answer",), run=("run", "s.yaml", "-q", "--max-seconds", "0"), before=World(wrong=1)
    ),
    "errors where no worst value exists": Case(
        5, World(errors=1, mark="", suite=RMSE), ("rmse: 1 answers failed, and rmse has no worst value",), before=World(mark="", suite=RMSE)
    ),
    "unreadable answers where no worst value exists": Case(
        5, World(wrong=1, mark="", suite=RMSE), ("1 answers have no rmse, and no worst value is declared",), before=World(mark="", suite=RMSE)
    ),
    "refusals are failures": Case(3, World(refused=20), ("REGRESSION", "-20.0 points")),
    "what cannot be parsed is wrong, and stays in": Case(
        3, World(wrong=20, mark="", suite=NUMERIC), ("REGRESSION", "100 paired samples"), before=World(mark="", suite=NUMERIC)
    ),
    "a price that nobody knows": Case(5, World(suite=gates(EXACT, {"metric": "cost", "margin": 0.1, "relative": True})), ("cost: cost unknown",)),
    "a cached latency": Case(
        5, World(seconds=1.0, suite=gates({"metric": "latency_p95"})), ("latency_p95: every answer came from the store",),
        before=World(seconds=1.0),
    ),
    "a scorer that changed after the run": Case(
        3, World(shout=True, suite=LOOSE), ("REGRESSION", "100.0 % \u2192 0.0 %"), before=World(suite=LOOSE), argv=("-b", "{first}"),
        last=World(shout=True),
    ),
    "a scorer that changed, and a baseline without outputs": Case(
        5, World(shout=True, suite=LOOSE), ("has no scores by exact_match as it is now",), before=World(suite=LOOSE), last=World(shout=True)
    ),
    "error rate, refusals and latency without a scorer for them": Case(
        0, World(seconds=0.5, wrong=1, suite=gates({"metric": "error_rate", "margin": 0.05}, {"metric": "refusal_rate", "margin": 0.05}, {"metric": "latency_p95"})),
        ("PASS", "error_rate", "refusal_rate", "latency_p95"), before=World(seconds=1.0),
    ),
    "more refusals than allowed": Case(
        3, World(refused=20, suite=gates({"metric": "refusal_rate", "margin": 0.02})), ("REGRESSION", "refusal_rate"),
    ),
}  # fmt: skip


def call(*argv: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return int(ended.value.code or 0)


def measured(folder: Path, command: tuple[str, ...]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert call(*command) in (0, 5)
        if not (folder / "base.json").exists():
            assert call("baseline", "export", "base.json") == 0


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"), measured)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_folder_has_its_exit_code(case, shelf, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    before = [] if case.before is None else [(case.before, RUN)]
    shelf.copy(tmp_path, *before, (case.after, case.run))
    first = json.loads((tmp_path / "base.json").read_text())["entries"][0]["facts"]["run_id"]
    if isinstance(case.last, World):
        case.last.write(tmp_path)
    elif case.last is not None:
        case.last(tmp_path)
    capsys.readouterr()
    suites = ["s.yaml"] if (tmp_path / "s.yaml").exists() else []
    code = call("gate", *suites, *(word.format(first=first) for word in case.argv))
    said = "".join(capsys.readouterr())
    assert [word for word in case.says if word not in said] == [], said
    assert [word for word in case.silent_on if word in said] == [], said
    assert "Traceback" not in said
    assert code == case.code, said


def test_the_table_has_every_code():
    assert {case.code for case in CASES.values()} == {0, 2, 3, 4, 5}
    assert replace(GOOD) == World()
