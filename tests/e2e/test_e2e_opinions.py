"""People's votes through the whole program: the interval that is shown knows that raters were drawn, not samples alone."""

from __future__ import annotations

import csv
import hashlib
import json

import duckdb
import pytest

from evalkit.cli.main import main

CALLED = "def said(sample):\n    return sample.input['text'].upper()\n"
SUITE = """
name: opinions
family: tts
dataset: {path: ../samples.jsonl}
scorers: ["mos(ratings='votes.csv')"]
primary: mos
slices: [kind]
candidates: [python/said.py:said]
"""
# Raters differ by much more than the outputs do.
RATERS = {"ann": -1, "ben": -1, "cleo": 0, "dan": 1, "eve": 1}


def evalkit(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 0


def project(folder, raters):
    samples = [
        {"id": f"s{n}", "input": {"text": f"text {n}"}, "tags": [f"kind:{'even' if n % 2 == 0 else 'odd'}"]}
        for n in range(8)
    ]
    (folder / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples), "utf-8")
    (folder / "suites").mkdir()
    (folder / "suites" / "opinions.yaml").write_text(SUITE, "utf-8")
    (folder / "said.py").write_text(CALLED, "utf-8")
    with (folder / "votes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["rater", "sample", "output", "score"])
        for sample in samples:
            output = hashlib.sha256(sample["input"]["text"].upper().encode()).hexdigest()
            rows.writerows([rater, sample["id"], output, 3 + RATERS[rater]] for rater in raters)


def results(folder):
    with duckdb.connect(str(folder / ".evalkit" / "store.duckdb"), read_only=True) as store:
        rows = store.sql("select metric, slice, value, low, high, se, method from result").fetchall()
    return {(metric, part): rest for metric, part, *rest in rows}


def test_the_interval_beside_an_opinion_score_is_over_raters_too(tmp_path, monkeypatch):
    project(tmp_path, RATERS)
    monkeypatch.chdir(tmp_path)
    evalkit("run", "suites", "--quiet")
    evalkit("report")
    found = results(tmp_path)
    value, low, high, se, method = found["mos", ""]
    assert (value, se, method) == (3.0, None, "the scorer's own, over all that was drawn")
    assert (low, high) == (found["mos_low", ""][0], found["mos_high", ""][0])
    assert found["mos_low", ""][1:3] == found["mos_high", ""][1:3] == [None, None]
    # Five raters with a standard deviation of 1: t(4) = 2.776 times 1 / sqrt(5).
    assert (low, high) == pytest.approx((3 - 1.2416, 3 + 1.2416), abs=1e-3)
    # Four samples in a slice: t(3) = 3.182.
    for part in ("kind:even", "kind:odd"):
        assert found["mos", part][1:3] == pytest.approx([3 - 1.4232, 3 + 1.4232], abs=1e-3)
    (page,) = (tmp_path / "reports" / "suites").glob("*.html")
    assert "[1.76, 4.24]" in page.read_text("utf-8")


def test_one_rater_has_no_interval(tmp_path, monkeypatch):
    project(tmp_path, ["cleo"])
    monkeypatch.chdir(tmp_path)
    evalkit("run", "suites", "--quiet")
    value, low, high, _, method = results(tmp_path)["mos", ""]
    assert (value, low, high) == (3.0, None, None)
    assert method == "none (nothing to judge by)"
