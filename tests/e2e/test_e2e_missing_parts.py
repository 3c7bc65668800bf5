"""A machine without one of the programs or packages: candidates are skipped with the reason, and nothing fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from evalkit.app.starting import start_suite

HELPERS = Path(__file__).parent / "helpers"
PROGRAMS = ("env", "git", "sh", "python3", "setpriv", "tesseract", "espeak-ng", "bwrap", "ffmpeg")
EVERYBODY = "python/everybody.py:silent"
# Answers without any program or package, so that somebody can always be asked.
SILENT = "def silent(sample):\n    return ''\n"


@pytest.fixture
def here(tmp_path):
    """A project with a new suite, and a command line on a machine that lacks something."""

    def begin(family):
        start_suite("first", family, tmp_path)
        (tmp_path / "everybody.py").write_text(SILENT, "utf-8")
        return lambda *arguments, program=None, packages=(): _ran(tmp_path, arguments, program, packages)

    return begin


def _ran(folder, arguments, program, packages):
    programs = folder / "programs"
    shutil.rmtree(programs, ignore_errors=True)
    programs.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        if name != program and found is not None:
            (programs / name).symlink_to(os.path.realpath(found))
    outer = {name: value for name, value in os.environ.items() if name.startswith("COV")}
    environ = {
        **outer,
        "PATH": str(programs),
        "HOME": os.environ.get("HOME", str(folder)),
        "LANG": "C.UTF-8",
        "COLUMNS": "400",
    }
    environ |= {"PYTHONPATH": str(HELPERS / "absent"), "E2E_ABSENT": ",".join(packages)}
    command = [sys.executable, "-m", "evalkit", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)


def entries(folder):
    with duckdb.connect(str(folder / ".evalkit" / "store.duckdb"), read_only=True) as store:
        return dict(store.sql("select candidate, status from entry").fetchall())


def notes(folder):
    with duckdb.connect(str(folder / ".evalkit" / "store.duckdb"), read_only=True) as store:
        return store.sql("select message from problem where kind = 'skipped'").fetchall()


# What is missing, the suite concerned, who is skipped with which words, who is asked all the same.
SKIPPED = [
    ("tesseract", (), "vision", "tesseract_rules", "install tesseract", "rapidocr_rules"),
    pytest.param(
        None,
        ("rapidocr", "onnxruntime"),
        "vision",
        "rapidocr_rules",
        "evalkit[ocr]",
        "tesseract_rules",
        marks=pytest.mark.nightly,
    ),
    ("espeak-ng", (), "tts", "espeak", "espeak-ng", EVERYBODY),
    (None, ("sklearn", "pandas"), "tabular", "linear", "evalkit[tabular]", "majority"),
    pytest.param(
        None, ("pocketsphinx",), "asr", "pocketsphinx", "evalkit[speech]", EVERYBODY, marks=pytest.mark.nightly
    ),
    pytest.param(
        None,
        ("statsforecast",),
        "timeseries",
        "theta",
        "evalkit[timeseries]",
        "seasonal_naive",
        marks=pytest.mark.nightly,
    ),
    pytest.param(
        None, ("bm25s",), "retrieval", "bm25", "evalkit[retrieval]", "tfidf_search", marks=pytest.mark.nightly
    ),
    (None, ("xllamacpp",), "reasoning", "llamacpp/smollm2-135m", "evalkit[local]", "arithmetic_solver"),
    pytest.param(
        None, ("opendp",), "synthetic", "dp_marginals", "evalkit[privacy]", EVERYBODY, marks=pytest.mark.nightly
    ),
]


@pytest.mark.parametrize(
    ("program", "packages", "family", "lost", "words", "other"), SKIPPED, ids=lambda value: str(value)[:30]
)
def test_a_candidate_that_cannot_work_is_skipped_and_the_others_run(
    here, tmp_path, program, packages, family, lost, words, other
):
    evalkit = here(family)
    ran = evalkit("run", "suites", "--limit", "1", "-c", lost, "-c", other, program=program, packages=packages)
    assert ran.returncode == 0, ran.stderr
    assert f"skipped: first x {lost}: " in ran.stdout + ran.stderr
    assert words in ran.stdout + ran.stderr
    assert entries(tmp_path) == {lost: "skipped", other: "complete"}
    ((told,),) = notes(tmp_path)
    assert words in told


# What is missing, the suite concerned, which scorer cannot work, and the words.
SCORERS = [
    ("tesseract", (), "image_generation", "text_in_image", "tesseract-ocr"),
    ("bwrap", (), "code", "tests_pass(compare='lines', cpu_s=2.0)", "install bubblewrap"),
    (None, ("pyflakes",), "code", "lint", "evalkit[code]"),
    (None, ("rapidfuzz",), "asr", "wer(normaliser='basic')", "evalkit[text]"),
    pytest.param(None, ("rouge_score",), "judged", "rouge", "evalkit[text]", marks=pytest.mark.nightly),
    pytest.param(None, ("sacrebleu",), "judged", "chrf", "evalkit[text]", marks=pytest.mark.nightly),
    (None, ("math_verify",), "reasoning", "math_equal", "evalkit[math]"),
    (None, ("skimage",), "segmentation", "mask_objects", "evalkit[image]"),
    pytest.param(None, ("imagehash",), "image_generation", "determinism", "evalkit[image]", marks=pytest.mark.nightly),
    (None, ("soundfile",), "tts", "loudness", "evalkit[speech]"),
    pytest.param(None, ("sdmetrics",), "synthetic", "table_fidelity", "evalkit[privacy]", marks=pytest.mark.nightly),
]


@pytest.mark.parametrize(
    ("program", "packages", "family", "scorer", "words"), SCORERS, ids=lambda value: str(value)[:30]
)
def test_a_scorer_that_cannot_work_is_said_before_anything_is_asked(
    here, tmp_path, program, packages, family, scorer, words
):
    evalkit = here(family)
    checked = evalkit("validate", "suites", program=program, packages=packages)
    opponents = ("-c", "lead_summary") if family == "judged" else ()
    ran = evalkit("run", "suites", "-c", EVERYBODY, *opponents, program=program, packages=packages)
    for said in (checked, ran):
        assert said.returncode == 5, said.stdout + said.stderr
        assert "every candidate is skipped: nothing is measured" in said.stderr
        assert words in said.stderr
    assert f"its scorer {scorer}: " in ran.stderr
    assert not (tmp_path / ".evalkit" / "store.duckdb").exists()


def test_another_suite_runs_beside_one_whose_scorer_cannot(here, tmp_path):
    start_suite("second", "segmentation", tmp_path)
    evalkit = here("tabular")
    ran = evalkit("run", "suites", "--limit", "1", packages=("skimage",))
    assert ran.returncode == 0, ran.stderr
    with duckdb.connect(str(tmp_path / ".evalkit" / "store.duckdb"), read_only=True) as store:
        found = set(store.sql("select suite, status from entry").fetchall())
    assert found == {("first", "complete"), ("second", "skipped")}
    assert evalkit("validate", "suites", packages=("skimage",)).returncode == 0


@pytest.mark.parametrize("program", ["tesseract", "espeak-ng", "bwrap", "ffmpeg"])
def test_the_doctor_says_which_program_is_missing(here, program):
    said = here("tabular")("doctor", "--csv", program=program)
    (line,) = [line for line in said.stdout.splitlines() if line.startswith(f"{program},")]
    assert line.split(",")[1] == "optional"
    assert "Debian: " in line


def test_no_suite_needs_ffmpeg(here, tmp_path):
    ran = here("asr")("run", "suites", "--limit", "1", program="ffmpeg")
    assert ran.returncode == 0, ran.stderr
    assert set(entries(tmp_path).values()) == {"complete"}
