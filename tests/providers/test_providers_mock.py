from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Candidate, Sample
from evalkit.providers import mock

SAMPLES = [Sample(f"s{n}", {"text": f"text {n}"}, f"right {n}") for n in range(400)]


def answers(candidate, samples=SAMPLES, repeat=0):
    async def ask():
        return [await candidate.answer(sample, SimpleNamespace(repeat=repeat)) for sample in samples]

    return asyncio.run(ask())


def right(candidate, repeat=0):
    found = answers(candidate, repeat=repeat)
    return [r.output == s.target for r, s in zip(found, SAMPLES, strict=True)]


def test_is_right_as_often_as_its_name_says():
    share = sum(right(mock.make(None, "x-p85"))) / len(SAMPLES)
    assert 0.80 < share < 0.90
    assert all(right(mock.make(None, "sure")))
    assert not any(right(mock.make(None, "x-p85", p=0.0)))


def test_two_runs_say_the_same_and_repeats_seeds_and_names_differ():
    first = right(mock.make(None, "x-p50"))
    assert right(mock.make(None, "x-p50")) == first
    for other in (
        right(mock.make(None, "x-p50"), 1),
        right(mock.make(None, "y-p50")),
        right(mock.make(None, "x-p50", seed=1)),
    ):
        assert other != first


def test_faults_come_at_their_rates():
    found = answers(mock.make(None, "m", error_rate=0.2, timeout_rate=0.3))
    kinds = [r.error.kind if r.error else None for r in found]
    assert 50 < kinds.count(ErrorKind.PROVIDER) < 110
    assert 80 < kinds.count(ErrorKind.TIMEOUT) < 160
    assert all(r.error.retryable for r in found if r.error)


def test_an_answer_has_everything_that_a_real_one_has():
    (found,) = answers(mock.make(None, "m", latency_ms=1), [Sample("s", {"text": "12345"}, {"a": "é"})])
    assert (found.output, found.finish, found.seconds, found.model) == ('{"a": "é"}', Finish.STOP, 0.001, "m")
    assert found.usage == {"requests": 1, "input_tokens": 5, "output_tokens": 3}


def test_without_a_target_it_echoes():
    text, whole = answers(mock.make(None), [Sample("a", {"text": "hi"}), Sample("b", {"x": 1})])
    assert (text.output, whole.output) == ("hi", '{"x": 1}')


def test_wrong_answers():
    wrong, marked = mock.make(None, p=0.0, wrong="no idea"), mock.make(None, p=0.0)
    assert answers(wrong, SAMPLES[:1])[0].output == "no idea"
    assert answers(marked, SAMPLES[:1])[0].output == "not right 0"


def test_fingerprint_and_name():
    candidate = mock.make(None, "m", p=0.5)
    assert isinstance(candidate, Candidate)
    assert candidate.name == "m"
    assert candidate.fingerprint == mock.make(None, "m", p=0.5).fingerprint
    assert candidate.fingerprint != mock.make(None, "m", p=0.6).fingerprint


@pytest.mark.parametrize(
    "options",
    [{"p": 1.1}, {"error_rate": -0.1}, {"error_rate": 0.6, "timeout_rate": 0.6}, {"latency_ms": -1}, {"nope": 1}],
)
def test_refuses(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        mock.make(None, "m", **options)
