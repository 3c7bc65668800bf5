"""The run loop: every cell ends answered, as a typed error, or not asked with a reason; nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from harness import SAMPLES, Bench, Local, Server, failure

from evalkit.core.errors import ErrorKind, MissingComponent, StoreError
from evalkit.core.types import Failure, Response, Sample
from evalkit.engine.budget import Budget
from evalkit.engine.limits import LaneLimits
from evalkit.engine.work import STOP_AFTER_BREAKS, STOP_AFTER_REFUSALS


def test_every_cell_is_asked_once_and_journaled(tmp_path):
    bench, server = Bench(tmp_path), Server()
    bench.run((bench.works(server), False))
    assert sorted(server.sent) == sorted(s.input["text"] for s in SAMPLES)
    calls = bench.records("c")
    assert sorted(c[5] for c in calls) == list(range(20))
    assert {c[6] for c in calls} == {0}
    assert len({c[1] for c in calls}) == 20
    progress = bench.progress["entry"]
    assert (progress.done, progress.errors, progress.tokens, progress.unpriced) == (20, 0, 240, 0)
    assert progress.usd == pytest.approx(0.02)
    assert len(bench.handled) == 20


def test_no_more_are_in_flight_than_allowed(tmp_path):
    bench, server = Bench(tmp_path, limits=LaneLimits(concurrency=3, start=3)), Server(seconds=0.002)
    bench.run((bench.works(server), False))
    assert server.peak == 3


def test_a_retryable_failure_is_asked_again_and_counted(tmp_path):
    script = {"question 3": [failure(), failure(ErrorKind.MALFORMED)]}
    bench, server = Bench(tmp_path), Server(script)
    bench.run((bench.works(server), False))
    call = next(c for c in bench.records("c") if c[5] == 3)
    assert call[24] == 3
    assert call[14] is None
    assert server.sent.count("question 3") == 3


def test_a_final_failure_is_an_answer_with_its_type(tmp_path):
    script = {"question 3": [failure(ErrorKind.BAD_REQUEST, retryable=False, status=400)] * 9}
    bench, server = Bench(tmp_path), Server(script)
    bench.run((bench.works(server), False))
    call = next(c for c in bench.records("c") if c[5] == 3)
    assert (call[14], call[15], call[16], call[24]) == ("bad_request", "told to fail", 400, 1)
    assert bench.progress["entry"].errors == 1
    assert len(bench.records("c")) == 20


def test_a_wrong_key_stops_the_candidate_at_once_but_not_the_others(tmp_path):
    server = Server({f"question {i}": [failure(ErrorKind.AUTH, retryable=False)] for i in range(20)})
    bench = Bench(tmp_path, limits=LaneLimits(concurrency=2, start=2))
    bench.run(
        (bench.works(server), False), (bench.works(Local(lambda s, c: Response(output="x")), entry="other"), True)
    )
    assert len(server.sent) <= 2
    assert bench.progress["entry"].stopped == "auth: told to fail"
    assert bench.progress["other"].done == 20


def test_a_dead_server_is_given_up(tmp_path):
    samples = [Sample(f"s{i}", {"text": f"q{i}"}) for i in range(200)]
    server = Server({f"q{i}": [failure(ErrorKind.CONNECTION)] * 9 for i in range(200)})
    bench = Bench(tmp_path)
    bench.run((bench.works(server, samples), False))
    assert "does not answer" in bench.progress["entry"].stopped
    assert len(server.sent) <= STOP_AFTER_REFUSALS + 8 * 2


def test_a_server_that_went_away_is_given_up_too(tmp_path):
    samples = [Sample(f"s{i}", {"text": f"q{i}"}) for i in range(600)]
    server = Server({f"q{i}": [failure(ErrorKind.CONNECTION)] * 9 for i in range(20, 600)})
    bench = Bench(tmp_path)
    bench.run((bench.works(server, samples), False))
    assert "does not answer" in bench.progress["entry"].stopped
    assert STOP_AFTER_BREAKS <= len(server.sent) <= STOP_AFTER_BREAKS + 20 + 8 * 2


def test_a_stalled_call_ends_as_a_timeout(tmp_path):
    bench, server = Bench(tmp_path, timeout_s=0.01), Server(seconds=5)
    bench.run((bench.works(server, SAMPLES[:1]), False))
    call = bench.records("c")[0]
    assert call[14] == "timeout"
    assert call[24] == 6


def test_a_provider_that_raises_is_a_typed_error(tmp_path):
    bench, server = Bench(tmp_path), Server({"question 0": [RuntimeError("boom")]})
    bench.run((bench.works(server), False))
    call = next(c for c in bench.records("c") if c[5] == 0)
    assert (call[14], call[15]) == ("provider_error", "RuntimeError: boom")


def test_equal_cells_are_asked_once_and_share_the_answer(tmp_path):
    same = [Sample("a", {"text": "same"}), Sample("b", {"text": "same"}), Sample("c", {"text": "other"})]
    bench, server = Bench(tmp_path), Server(seconds=0.005)
    bench.run((bench.works(server, same), False))
    assert sorted(server.sent) == ["other", "same"]
    call = next(c for c in bench.records("c") if c[5] == 0)
    assert bench.records("l") == [["l", "entry", 1, call[1], False]]
    assert len(bench.handled) == 3


def test_a_shared_key_is_remembered_after_its_call_ended(tmp_path):
    bench = Bench(tmp_path, limits=LaneLimits(concurrency=1, start=1))
    server = Server()
    same = [Sample(str(i), {"text": "same"}) for i in range(4)]
    key = next(iter(bench.works(server, same))).key
    bench.asker.settings = bench.settings = type(bench.settings)(**{
        **{f: getattr(bench.settings, f) for f in bench.settings.__dataclass_fields__}, "shared": frozenset({key})
    })  # fmt: skip
    bench.run((bench.works(server, same), False))
    assert server.sent == ["same"]
    assert len(bench.records("l")) == 3


def test_a_budget_stops_before_the_next_call(tmp_path):
    budget = Budget("run", tokens=60, clock=time.monotonic)
    bench, server = Bench(tmp_path, budget=budget, limits=LaneLimits(concurrency=2, start=2)), Server()
    bench.run((bench.works(server), False))
    assert 5 <= len(server.sent) <= 7
    assert bench.progress["entry"].stopped.startswith("the run budget of 60 tokens is spent")


def test_local_candidates_run_one_at_a_time_and_their_crash_is_data(tmp_path):
    def answer(sample, ctx):
        if sample.id == "s1":
            raise KeyError("x")
        return Response(output=sample.id)

    bench = Bench(tmp_path)
    bench.run((bench.works(Local(answer)), True))
    calls = {c[5]: c for c in bench.records("c")}
    assert (calls[1][14], calls[1][15]) == ("candidate_error", "KeyError: 'x'")
    assert calls[0][12] == "s0"
    assert calls[0][19] >= 0


def test_a_local_candidate_that_hangs_times_out(tmp_path):
    bench = Bench(tmp_path, timeout_s=0.01)
    bench.run((bench.works(Local(lambda s, c: asyncio.sleep(5)), SAMPLES[:1]), True))
    assert bench.records("c")[0][14] == "timeout"


def test_composed_candidates_record_every_step(tmp_path):
    server = Server()

    async def two_steps(sample, ctx):
        first = await ctx.ask(server, sample, "draft")
        again = await ctx.ask(server, sample, "draft")
        text = ctx.render("{a}", a=first.output)
        assert ctx.seed == 7
        assert ctx.money(first) == 0.001
        return Response(output=f"{text}|{again.output}")

    bench = Bench(tmp_path)
    bench.run((bench.works(Local(two_steps), SAMPLES[:2]), False))
    calls = bench.records("c")
    roots = [c for c in calls if c[6] == 0]
    subs = [c for c in calls if c[6] > 0]
    assert [len(roots), len(subs)] == [2, 4]
    assert {c[7] for c in subs} == {"draft"}
    assert all(len(c[23]) == 2 for c in roots)
    assert len({c[2] for c in subs}) == 4


def test_a_sub_call_known_from_the_store_is_not_made(tmp_path):
    server = Server()
    bench = Bench(tmp_path, known=lambda key: ("old", Response(output="known")))

    async def ask(sample, ctx):
        return Response(output=(await ctx.ask(server, sample)).output)

    bench.run((bench.works(Local(ask), SAMPLES[:1]), False))
    assert server.sent == []
    assert bench.records("c")[0][12] == "known"
    assert bench.records("c")[0][23][0][2] is True


def test_a_local_sub_candidate_has_its_own_record_and_key(tmp_path):
    inner = Local(lambda s, c: Response(output="inner"), "inner")

    async def ask(sample, ctx):
        first = await ctx.ask(inner, sample)
        return Response(output=first.output)

    bench = Bench(tmp_path)
    bench.run((bench.works(Local(ask), SAMPLES[:1]), False))
    assert [c[6] for c in bench.records("c")] == [1, 0]


def test_a_spent_budget_refuses_sub_calls_as_data(tmp_path):
    budget = Budget("run", tokens=5, clock=time.monotonic)
    server, seen = Server(), []

    async def ask(sample, ctx):
        seen.append([await ctx.ask(server, sample), await ctx.ask(server, sample)])
        return Response(output="x")

    bench = Bench(tmp_path, budget=budget)
    bench.run((bench.works(Local(ask), SAMPLES[:1]), False))
    assert seen[0][1].error.kind is ErrorKind.BUDGET


def test_there_is_no_sandbox_yet(tmp_path):
    bench = Bench(tmp_path)

    def use(sample, ctx):
        assert ctx.blobs is None
        with pytest.raises(MissingComponent):
            _ = ctx.sandbox
        return Response(output="x")

    bench.run((bench.works(Local(use), SAMPLES[:1]), True))
    assert bench.records("c")[0][14] is None


class Batching(Local):
    def __init__(self, fn):
        super().__init__(lambda s, c: None)
        self.batch = fn
        self.sizes = []

    async def answer_batch(self, samples, ctx):
        self.sizes.append(len(samples))
        return self.batch(samples)


def test_a_batching_candidate_gets_many_samples_at_once(tmp_path):
    candidate = Batching(lambda samples: [Response(output=s.id) for s in samples])
    bench = Bench(tmp_path, batch=8)
    bench.run((bench.works(candidate), True))
    assert candidate.sizes == [8, 8, 4]
    assert {c[5]: c[12] for c in bench.records("c")} == {i: f"s{i}" for i in range(20)}


@pytest.mark.parametrize(
    ("batch", "says"),
    [(lambda samples: [], "gave 0 answers for 20"), (lambda samples: 1 / 0, "ZeroDivisionError")],
)
def test_a_batch_that_goes_wrong_is_an_error_per_item(tmp_path, batch, says):
    bench = Bench(tmp_path)
    bench.run((bench.works(Batching(batch)), True))
    assert all(says in c[15] for c in bench.records("c"))
    assert len(bench.records("c")) == 20


def test_two_batching_candidates_in_one_lane_are_kept_apart(tmp_path):
    first = Batching(lambda samples: [Response(output="1")] * len(samples))
    second = Local(lambda s, c: Response(output="2"), "second")
    bench = Bench(tmp_path)
    both = [w for pair in zip(bench.works(first), bench.works(second, entry="b"), strict=True) for w in pair]
    bench.run((both, True))
    assert {(c[4], c[12]) for c in bench.records("c")} == {("entry", "1"), ("b", "2")}


def test_asked_to_stop_it_drains_what_is_in_flight(tmp_path):
    bench, server = Bench(tmp_path, limits=LaneLimits(concurrency=4, start=4)), Server(seconds=0.05)

    async def interrupt():
        await asyncio.sleep(0.02)
        bench.stop.request("ctrl-C")

    def works():
        for i, work in enumerate(bench.works(server)):
            if i == 0:
                bench.task = asyncio.get_running_loop().create_task(interrupt())
            yield work

    bench.run((works(), False))
    assert len(server.sent) == len(bench.records("c")) == 4
    assert bench.stop.reason == "ctrl-C"


def test_asked_twice_it_does_not_wait(tmp_path):
    bench, server = Bench(tmp_path), Server(seconds=30)

    async def interrupt():
        await asyncio.sleep(0.02)
        bench.stop.request("ctrl-C")
        bench.stop.request("ctrl-C")

    def works():
        bench.task = asyncio.get_running_loop().create_task(interrupt())
        yield from bench.works(server)

    begun = time.monotonic()
    bench.run((works(), False))
    assert time.monotonic() - begun < 5
    assert bench.records("c") == []


def test_draining_has_an_end(tmp_path):
    bench, server = Bench(tmp_path, drain_s=0.05), Server(seconds=30)

    async def interrupt():
        await asyncio.sleep(0.02)
        bench.stop.request("ctrl-C")

    def works():
        bench.task = asyncio.get_running_loop().create_task(interrupt())
        yield from bench.works(server)

    begun = time.monotonic()
    bench.run((works(), False))
    assert time.monotonic() - begun < 5


def test_a_journal_that_cannot_be_written_ends_the_run_with_its_reason(tmp_path):
    bench, server = Bench(tmp_path), Server()
    bench.journal.broken = StoreError("the disk is full")
    with pytest.raises(StoreError, match="disk is full"):
        bench.run((bench.works(server), False))
    assert len(server.sent) <= 8


def test_the_record_of_a_cancelled_call_is_not_an_answer(tmp_path):
    bench = Bench(tmp_path)
    response = Response(error=Failure(ErrorKind.CANCELLED, "x"))
    assert not response.known
    assert bench.records("c") == []
