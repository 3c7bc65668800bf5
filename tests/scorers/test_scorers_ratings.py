"""People's votes: files read, raters screened, intervals that know that raters are a sample too."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.scorers._ratings import bt500, load, output_hash
from evalkit.scorers.mos import crossed_bound


def known(text):
    return hashlib.sha256(text.encode()).hexdigest()


def write(path, rows, header="rater,sample,output,score"):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", "utf-8")
    return str(path)


def votes_file(path, table, **more):
    """`table` = text -> votes of raters r0, r1...; every item is sample s1."""
    return write(
        path,
        [
            (f"r{i}", "s1", known(text), vote)
            for text, votes in table.items()
            for i, vote in enumerate(votes)
            if vote is not None
        ],
        **more,
    )


def folded(kit, scorer, texts):
    scores = [kit.score(scorer, {"output": text}) for text in texts]
    return {m.name: float(kit.fold(m, [s[m.name] for s in scores])[0]) for m in scorer.metrics}


def columns(votes):
    """Votes [stimuli, raters] as the columns that the fold gets."""
    return {
        "stimulus": np.arange(len(votes), dtype=float),
        "value": np.zeros(len(votes)),
        **{f"r:{i:02d}": votes[:, i] for i in range(votes.shape[1])},
    }


def ends(votes, weights=None, low=-99.0, high=99.0):
    weight = np.ones((1, len(votes))) if weights is None else weights
    return [crossed_bound(columns(votes), weight, side=side, low=low, high=high) for side in (-1, 1)]


def test_votes_taken_as_independent_understate_the_error():
    """200 simulated tests of 10 raters and 12 stimuli: the crossed interval covers, the one of 120 votes does not."""
    drawn = np.random.default_rng(1)
    covered = naive = 0
    for _ in range(200):
        votes = 3 + drawn.normal(0, 0.5, (12, 1)) + drawn.normal(0, 0.5, (1, 10)) + drawn.normal(0, 0.6, (12, 10))
        low, high = (float(end[0]) for end in ends(votes))
        covered += low <= 3 <= high
        reach = 1.98 * votes.std(ddof=1) / np.sqrt(votes.size)
        naive += abs(votes.mean() - 3) <= reach
    assert 0.9 <= covered / 200 <= 1.0
    assert naive / 200 < 0.75


def test_holes_in_the_design_are_two_way_clustered():
    drawn = np.random.default_rng(2)
    covered = 0
    for _ in range(150):
        votes = 3 + drawn.normal(0, 0.5, (15, 1)) + drawn.normal(0, 0.5, (1, 12)) + drawn.normal(0, 0.6, (15, 12))
        votes[drawn.random(votes.shape) < 0.4] = np.nan
        low, high = (float(end[0]) for end in ends(votes))
        covered += low <= 3 <= high
    assert covered / 150 >= 0.88


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_weights_are_repetitions_of_stimuli(stimuli, raters, seed):
    drawn = np.random.default_rng(seed)
    votes = np.round(drawn.uniform(1, 5, (stimuli, raters)))
    votes[drawn.random(votes.shape) < 0.2] = np.nan
    weights = drawn.integers(0, 3, (4, stimuli)).astype(float)
    with np.errstate(all="raise"):
        together = crossed_bound(columns(votes), weights, side=1, low=1, high=5)
    for row, found in zip(weights, together, strict=True):
        kept = np.repeat(np.arange(stimuli), row.astype(int))
        alone = (
            crossed_bound(
                {name: column[kept] for name, column in columns(votes).items()},
                np.ones((1, kept.size)),
                side=1,
                low=1,
                high=5,
            )
            if kept.size
            else [np.nan]
        )
        assert np.allclose(found, alone[0], equal_nan=True)


def test_one_rater_or_one_stimulus_has_no_interval():
    assert np.isnan(ends(np.array([[3.0], [4.0]]))).all()
    assert np.isnan(ends(np.array([[3.0, 4.0]]))).all()


def test_raters_that_agree_about_nothing_still_make_an_interval():
    low, high = ends(np.array([[1.0, 5.0], [5.0, 1.0]]))
    assert np.isfinite([low, high]).all()


def test_bias_of_raters_is_taken_away(kit, tmp_path):
    table = {"a": [3, 2, 3, 4], "b": [4, 2, 3, 4], "c": [3, 2, 2, 3], "d": [4, 3, 3, 4]}
    path = votes_file(tmp_path / "v.csv", table)
    plain, even = (registry.make("scorers", f"mos(ratings={path!r}{more})") for more in ("", ", remove_bias=True"))
    one, other = folded(kit, plain, table), folded(kit, even, table)
    assert one["mos"] == pytest.approx(other["mos"])
    assert other["mos_high"] - other["mos_low"] < one["mos_high"] - one["mos_low"]
    assert kit.score(even, {"output": "a"})["mos_low"].parts["r:r0"] == pytest.approx(3 - (3.5 - one["mos"]))


def test_screening_names_each_rater_and_why(kit, tmp_path):
    drawn = np.random.default_rng(4)
    true = drawn.uniform(1.5, 4.5, 20)
    good = [np.clip(np.round(true + drawn.normal(0, 0.3, 20)), 1, 5) for _ in range(8)]
    table = {f"t{i}": [*(rater[i] for rater in good), 3, 6 - round(true[i])] for i in range(20)}
    path = votes_file(tmp_path / "v.csv", table)
    found = load(path, 1, 5)
    assert found.screened == {"r8": "the same answer to everything (SD 0.00)", "r9": found.screened["r9"]}
    assert found.screened["r9"].startswith("correlation -")
    scorer = registry.make("scorers", f"mos(ratings={path!r})")
    numbers = folded(kit, scorer, table)
    assert numbers["mos_screened"] == pytest.approx(np.mean([rater.mean() for rater in good]))
    assert numbers["mos_screened"] != numbers["mos"]
    assert "screened 2 of 10 raters (r8: the same answer" in kit.score(scorer, {"output": "t0"})["mos"].reason


def test_a_rater_on_both_sides_of_the_others_is_found():
    drawn = np.random.default_rng(5)
    votes = 3 + drawn.normal(0, 0.1, (40, 60))
    votes[:, 0] += np.where(np.arange(40) % 2 == 0, 1.5, -1.5) * (np.arange(40) < 12)
    assert bt500(votes).tolist() == [True, *[False] * 59]


def test_traps_and_unfinished_votes(kit, tmp_path):
    rows = [
        (r, "s1", known(t), s, "", "")
        for t, votes in {"a": (4, 4, 2), "b": (2, 3, 5)}.items()
        for r, s in zip("xyz", votes, strict=True)
    ]
    rows += [
        ("z", "s1", known("trap"), 5, 1, ""),
        ("x", "s1", known("trap"), 2, 1, ""),
        ("x", "s1", known("a"), 1, "", "no"),
    ]
    found = load(write(tmp_path / "v.csv", rows, "rater,sample,output,score,expected,finished"), 1, 5)
    assert found.screened == {"z": "missed 1 trap"}
    assert found.unfinished == 1
    assert len(found.stimuli) == 2
    assert found.of("s1", known("a")).tolist() == [4, 4, 2]


def test_every_rater_of_an_output_may_be_screened(kit, tmp_path):
    rows = [("x", "s1", known("a"), 2, ""), ("x", "s1", known("t"), 5, 1), ("y", "s1", known("b"), 4, "")]
    scorer = registry.make(
        "scorers", f"mos(ratings={write(tmp_path / 'v.csv', rows, 'rater,sample,output,score,expected')!r})"
    )
    assert kit.score(scorer, {"output": "a"})["mos_screened"].reason == "every rater of this output was screened"
    assert folded(kit, scorer, "ab")["mos_screened"] == 4.0


def test_repeated_votes_are_one(tmp_path):
    rows = [("x", "s1", known("a"), 2), ("x", "s1", known("a"), 5), ("y", "s1", known("a"), 4)]
    assert load(write(tmp_path / "v.csv", rows), 1, 5).of("s1", known("a")).tolist() == [3.5, 4]


def test_json_lines_and_short_hashes(kit, tmp_path):
    path = tmp_path / "v.jsonl"
    rows = [
        {"rater": r, "sample": "s1", "output": known("a")[:8].upper(), "score": s} for r, s in (("x", 3), ("y", 4.5))
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n", "utf-8")
    score = kit.one(f"mos(ratings={str(path)!r})", "a")
    assert (score.value, score.reason) == (3.75, "2 votes; fewer than 8")


def test_a_vote_stays_with_what_was_rated(kit, tmp_path):
    sound = kit.one("mos(ratings='tests/cases/media/ratings_simulated.csv')", {"$file": "sine.flac"})
    assert sound.value is None
    assert "nobody has rated this output" in sound.reason
    ref = {"$blob": "ab" * 32, "type": "audio/flac"}
    path = write(tmp_path / "v.csv", [("x", "s1", "ab" * 6, 4)])
    spec = f"mos(ratings={path!r})"
    assert [kit.one(spec, output).value for output in (ref, {"audio": ref, "note": "loud"}, [ref])] == [4.0] * 3
    assert (
        output_hash({"a": ref, "b": ref})
        == hashlib.sha256(json.dumps({"a": ref, "b": ref}, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    )


def test_votes_of_another_sample_do_not_count(kit, tmp_path):
    path = write(tmp_path / "v.csv", [("x", "s2", known("a"), 4)])
    assert kit.one(f"mos(ratings={path!r})", "a").value is None


def test_other_votes_are_other_numbers(tmp_path):
    path = tmp_path / "v.csv"
    first = registry.make("scorers", f"mos(ratings={votes_file(path, {'a': [4, 5]})!r})")
    before = first.version
    votes_file(path, {"a": [4, 5], "b": [1, 2]})
    assert before != first.version
    assert first.version == registry.make("scorers", f"mos(ratings={str(path)!r})").version


def test_the_scale_may_be_another(kit, tmp_path):
    path = votes_file(tmp_path / "v.csv", {"a": [80, 100]})
    scorer = registry.make("scorers", f"mos(ratings={path!r}, low=0, high=100)")
    assert scorer.metrics[0].bounds == (0.0, 100.0)
    assert scorer.worst(kit.sample({}))["mos"].value == 0.0
    assert kit.score(scorer, {"output": "a"})["mos"].value == 90.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rater,sample,score\n", "no column 'output'; needed: rater, sample, output, score"),
        ("rater,sample,output,score\n", "holds no votes"),
        ("rater,sample,output,score\nx,s1,abcdef12,many\n", "v.csv:2: score 'many' is no number"),
        ("rater,sample,output,score\nx,s1,abcdef12,nan\n", "v.csv:2: score is nan"),
        ("rater,sample,output,score\nx,s1,abcdef12,6\n", "v.csv:2: score 6 is outside 1 to 5"),
        ("rater,sample,output,score\nx,s1,take one,3\n", "v.csv:2: output 'take one' is no SHA-256"),
        ("rater,sample,output,score\nx,s1,abc,3\n", "first 8 digits"),
        ("rater,sample,output,score\n,s1,abcdef12,3\n", "v.csv:2: no rater is named"),
    ],
)
def test_wrong_files_are_told_by_line(tmp_path, text, words):
    path = tmp_path / "v.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=re.escape(words)):
        registry.make("scorers", f"mos(ratings={str(path)!r})")


@pytest.mark.parametrize(
    ("line", "words"), [("{", "v.jsonl:1: not JSON"), ('{"rater": "x"}', "no 'sample'"), ("[]", "no 'rater'")]
)
def test_wrong_lines_are_told(tmp_path, line, words):
    path = tmp_path / "v.jsonl"
    path.write_text(line, "utf-8")
    with pytest.raises(ValueError, match=re.escape(words)):
        registry.make("scorers", f"cmos(ratings={str(path)!r})")


def test_wrong_options(tmp_path):
    path = votes_file(tmp_path / "v.csv", {"a": [3]})
    with pytest.raises(ValueError, match="must be below"):
        registry.make("scorers", f"mos(ratings={path!r}, low=5)")
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        registry.make("scorers", "mos(ratings='gone.csv')")
    with pytest.raises(ValueError, match="option 'ratings' is needed"):
        registry.make("scorers", "mos")
