"""Lanes: concurrency grows while the server is happy, shrinks on push-back, waits when asked to."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Failure, Response
from evalkit.engine.budget import Budget
from evalkit.engine.limits import Lane, LaneLimits, Rate
from evalkit.engine.retry import Retries, timed_out

OK = Response(output="x")


def pushed_back(after=None, status=429):
    return Response(
        error=Failure(ErrorKind.RATE_LIMITED, "slow down", retryable=True, retry_after_s=after, status=status)
    )


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def finish(lane, count, response=OK):
    async def go():
        epochs = [await lane.enter(0) for _ in range(count)]
        for epoch in epochs:
            lane.leave(epoch, response, estimated_tokens=0, used_tokens=0)

    asyncio.run(go())


def test_concurrency_doubles_each_clean_round_up_to_the_limit():
    lane = Lane("x", LaneLimits(concurrency=100, start=16), Clock())
    seen = [lane.allowed]
    for _ in range(5):
        finish(lane, lane.allowed)
        seen.append(lane.allowed)
    assert seen == [16, 32, 64, 100, 100, 100]


def test_a_push_back_cuts_once_per_round_and_ends_the_doubling():
    lane = Lane("x", LaneLimits(concurrency=100, start=20), Clock())
    finish(lane, 10, pushed_back())
    assert lane.allowed == 14
    finish(lane, 14)
    assert lane.allowed == 15


@pytest.mark.parametrize("status", [429, 503, 529])
def test_overload_of_any_name_is_a_push_back(status):
    lane = Lane("x", LaneLimits(start=10), Clock())
    response = Response(error=Failure(ErrorKind.PROVIDER, "busy", retryable=True, status=status))
    finish(lane, 1, response)
    assert lane.allowed == 7


def test_a_server_error_is_no_push_back():
    lane = Lane("x", LaneLimits(start=10), Clock())
    finish(lane, 1, Response(error=Failure(ErrorKind.PROVIDER, "bug", retryable=True, status=500)))
    assert lane.allowed == 10


def test_it_never_shrinks_below_one():
    lane = Lane("x", LaneLimits(start=2), Clock())
    for _ in range(5):
        finish(lane, 1, pushed_back())
    assert lane.allowed == 1


def test_everybody_waits_when_the_server_says_so():
    async def go():
        loop = asyncio.get_running_loop()
        lane = Lane("x", LaneLimits(), loop.time)
        epoch = await lane.enter(0)
        lane.leave(epoch, pushed_back(after=0.15), estimated_tokens=0, used_tokens=0)
        begun = loop.time()
        waiting = asyncio.create_task(lane.enter(0))
        await asyncio.sleep(0.02)
        assert "asked to wait" in (lane.waiting_on or "")
        await waiting
        assert lane.waiting_on is None
        return loop.time() - begun

    assert asyncio.run(go()) >= 0.14


def test_no_more_than_allowed_are_in_flight():
    async def go():
        lane = Lane("x", LaneLimits(concurrency=3, start=3), asyncio.get_running_loop().time)
        peak = 0

        async def call():
            nonlocal peak
            epoch = await lane.enter(0)
            peak = max(peak, lane.in_flight)
            await asyncio.sleep(0.001)
            lane.leave(epoch, OK, estimated_tokens=0, used_tokens=0)

        await asyncio.gather(*(call() for _ in range(20)))
        return peak, lane.in_flight

    assert asyncio.run(go()) == (3, 0)


def test_a_cancelled_waiter_leaves_no_hole():
    async def go():
        lane = Lane("x", LaneLimits(concurrency=1, start=1), asyncio.get_running_loop().time)
        epoch = await lane.enter(0)
        waiting = [asyncio.create_task(lane.enter(0)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        lane.leave(epoch, OK, estimated_tokens=0, used_tokens=0)
        first = await asyncio.wait_for(waiting[1], 1)
        lane.leave(first, OK, estimated_tokens=0, used_tokens=0)
        second = await asyncio.wait_for(waiting[2], 1)
        lane.leave(second, OK, estimated_tokens=0, used_tokens=0)
        return lane.in_flight

    assert asyncio.run(go()) == 0


def test_a_caller_cancelled_while_pacing_gives_its_place_back():
    async def go():
        lane = Lane("x", LaneLimits(concurrency=1, start=1, requests_per_minute=1), asyncio.get_running_loop().time)
        lane.leave(await lane.enter(0), OK, estimated_tokens=0, used_tokens=0)
        paced = asyncio.create_task(lane.enter(0))
        await asyncio.sleep(0.01)
        assert lane.waiting_on == "the rate limit"
        paced.cancel()
        await asyncio.gather(paced, return_exceptions=True)
        return lane.in_flight

    assert asyncio.run(go()) == 0


@settings(max_examples=30)
@given(st.lists(st.floats(0, 2), min_size=1, max_size=40), st.integers(30, 6000))
def test_a_rate_is_kept_over_any_arrivals(gaps, per_minute):
    clock = Clock()
    rate = Rate(per_minute, clock)
    starts = []
    for gap in gaps:
        clock.now += gap
        starts.append(clock.now + rate.wait_s(1))
    starts.sort()
    allowed = max(1.0, per_minute / 60)
    for i, begin in enumerate(starts):
        inside = sum(1 for s in starts[i:] if s < begin + 10)
        assert inside <= allowed * 11 + 2


def test_tokens_count_against_their_own_rate_and_are_corrected():
    clock = Clock()
    rate = Rate(600, clock)
    assert rate.wait_s(10) == 0
    assert rate.wait_s(10) > 0
    rate.correct(-20)
    assert rate.wait_s(5) == 0


def test_a_clock_that_goes_backwards_never_frees_budget():
    clock = Clock()
    rate = Rate(60, clock)
    rate.wait_s(1)
    clock.now -= 50
    assert rate.wait_s(1) > 0


def test_a_lane_learns_tokens_from_the_reply():
    lane = Lane("x", LaneLimits(tokens_per_minute=6000), Clock())

    async def go():
        epoch = await lane.enter(10)
        lane.leave(epoch, OK, estimated_tokens=10, used_tokens=90)

    asyncio.run(go())
    assert lane._tokens.level == 90


def test_refused_connections_are_counted_until_one_answers():
    lane = Lane("x", LaneLimits(), Clock())
    finish(lane, 3, Response(error=Failure(ErrorKind.CONNECTION, "refused", retryable=True)))
    assert (lane.refused_in_a_row, lane.ever_answered) == (3, False)
    finish(lane, 1)
    assert (lane.refused_in_a_row, lane.ever_answered) == (0, True)


@pytest.mark.parametrize(
    ("failure", "attempt", "low", "high"),
    [
        (Failure(ErrorKind.PROVIDER, "x", retryable=True), 1, 0.25, 0.5),
        (Failure(ErrorKind.PROVIDER, "x", retryable=True), 3, 1.0, 2.0),
        (Failure(ErrorKind.PROVIDER, "x", retryable=True), 5, 4.0, 8.0),
        (Failure(ErrorKind.RATE_LIMITED, "x", retryable=True, retry_after_s=9), 1, 9, 9),
    ],
)
def test_waits_double_with_jitter_and_honour_the_server(failure, attempt, low, high):
    assert low <= Retries().wait_s(failure, attempt, "key") <= high


@pytest.mark.parametrize(
    ("failure", "attempt"),
    [
        (Failure(ErrorKind.BAD_REQUEST, "x"), 1),
        (Failure(ErrorKind.PROVIDER, "x", retryable=True), 6),
        (Failure(ErrorKind.RATE_LIMITED, "x", retryable=True, retry_after_s=3600), 1),
    ],
)
def test_it_gives_up(failure, attempt):
    assert Retries().wait_s(failure, attempt, "key") is None


def test_the_wait_is_capped_and_repeatable():
    retries = Retries(most=50, cap_s=3)
    failure = timed_out(2)
    assert failure.kind is ErrorKind.TIMEOUT
    assert failure.message == "no answer within 2 s"
    assert 1.5 <= retries.wait_s(failure, 40, "key") <= 3
    assert retries.wait_s(failure, 2, "key") == retries.wait_s(failure, 2, "key")


def test_budgets_stop_in_each_unit():
    clock = Clock()
    run = Budget("run", tokens=100, clock=clock)
    suite = Budget("suite", usd=1.0, seconds=60, clock=clock, parent=run)
    assert suite.exhausted() is None
    suite.spend({"input_tokens": 40}, 0.5)
    assert suite.exhausted() is None
    suite.spend({"output_tokens": 10}, 0.5)
    assert suite.exhausted() == "the suite budget of $1 is spent ($1.0000)"
    other = Budget("suite", seconds=60, clock=clock, parent=run)
    other.spend({"input_tokens": 50}, None)
    assert other.unpriced == run.unpriced == 1
    assert other.exhausted() == "the run budget of 100 tokens is spent (100)"
    late = Budget("suite", seconds=60, clock=clock)
    clock.now += 60
    assert late.exhausted() == "the suite time limit of 60 s is over"
