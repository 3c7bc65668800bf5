"""What changed between two sides: prompts, model, parameters, data, suite."""

from __future__ import annotations

from evalkit.app.edits import edits
from evalkit.app.file_side import FileSide


def side(prompts=(), **facts):
    plain = {
        "candidate_spec": {"model": "m-1", "generation": {"temperature": 0}}, "candidate": "m", "fingerprint": "f",
        "data_hash": "d", "generation": 0, "spec": {"scorers": ["exact_match"], "task": {"prompt": "x"}},
    }  # fmt: skip
    rows = [{"prompt_hash": body, "name": name, "role": role, "body": body} for name, role, body in prompts]
    return FileSide({"facts": {**plain, **facts}, "prompts": rows}, "s")


def said(before, after):
    return [(edit.what, edit.before, edit.after) for edit in edits(before, after)]


def test_equal_sides_have_no_edits():
    assert said(side(), side()) == []
    assert said(side(spec=None), side(spec=None)) == []


def test_prompts_come_first_and_are_named():
    before = side([("", "user", "Say {{ text }}"), ("kind", "system", "Be kind.")])
    after = side([("", "user", "Shout {{ text }}"), ("new", "system", "Be brief.")], fingerprint="g")
    assert said(before, after) == [
        ("prompt kind (system)", "Be kind.", ""),
        ("prompt new (system)", "", "Be brief."),
        ("prompt (user)", "Say {{ text }}", "Shout {{ text }}"),
        ("fingerprint of the candidate", "f", "g"),
    ]


def test_model_and_parameters_by_their_key():
    after = side(candidate_spec={"model": "m-2", "generation": {"temperature": 1}}, fingerprint="g")
    assert said(side(), after) == [("generation.temperature", "0", "1"), ("model", "m-1", "m-2")]


def test_data_generation_suite_and_candidate():
    spec = {"scorers": ["f1"], "task": {"prompt": "y", "generation": {"max_tokens": 9}}, "description": "new"}
    after = side(data_hash="e", generation=1, spec=spec, candidate="n")
    assert said(side(), after) == [
        ("candidate", "m", "n"),
        ("data", "d", "e"),
        ("generation of answers", "0", "1"),
        ("suite: scorers", '["exact_match"]', '["f1"]'),
        ("task: generation", "", '{"max_tokens": 9}'),
    ]
