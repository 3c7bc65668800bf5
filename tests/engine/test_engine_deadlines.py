"""Time limits behind one timer: what `asyncio.timeout` promises, for many tasks."""

from __future__ import annotations

import asyncio

import pytest

from evalkit.engine.deadlines import Clock, Deadlines


def run(coroutine):
    return asyncio.run(coroutine)


async def limited(deadlines: Deadlines, seconds: float) -> str:
    try:
        with deadlines.one():
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "exceeded"
    return "done"


def test_what_ends_in_time_is_left_alone_and_what_does_not_is_ended() -> None:
    async def main() -> list[str]:
        deadlines = Deadlines(0.05)
        return await asyncio.gather(*(limited(deadlines, seconds) for seconds in (0, 30, 0.001, 30)))

    assert run(main()) == ["done", "exceeded", "done", "exceeded"]


def test_limits_that_begin_later_fall_due_later() -> None:
    async def main() -> list[str]:
        deadlines, ended = Deadlines(0.05), []

        async def one(name: str, after: float) -> None:
            await asyncio.sleep(after)
            await limited(deadlines, 30)
            ended.append(name)

        await asyncio.gather(one("late", 0.03), one("early", 0.0))
        return ended

    assert run(main()) == ["early", "late"]


def test_a_limit_can_be_used_after_all_have_ended() -> None:
    async def main() -> list[str]:
        deadlines = Deadlines(0.02)
        first = await limited(deadlines, 30)
        await asyncio.sleep(0.05)
        return [first, await limited(deadlines, 0), await limited(deadlines, 30)]

    assert run(main()) == ["exceeded", "done", "exceeded"]


def test_the_inner_limit_ends_only_what_is_inside_it() -> None:
    async def main() -> str:
        with Deadlines(30.0).one():
            inner = await limited(Deadlines(0.01), 30)
            await asyncio.sleep(0)
            return inner

    assert run(main()) == "exceeded"


def test_two_limits_that_fall_due_together_both_say_so() -> None:
    async def main() -> str:
        deadlines = Deadlines(0.02)
        try:
            with deadlines.one(), deadlines.one():
                await asyncio.sleep(30)
        except TimeoutError:
            await asyncio.sleep(0)
            return "exceeded"
        return "done"

    assert run(main()) == "exceeded"


def test_whoever_cancels_the_task_is_obeyed() -> None:
    async def main() -> None:
        deadlines = Deadlines(30.0)
        task = asyncio.create_task(limited(deadlines, 30))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        run(main())


def test_a_cancellation_beside_the_limit_is_not_turned_into_a_timeout() -> None:
    async def main() -> None:
        deadlines = Deadlines(30.0)
        task = asyncio.create_task(limited(deadlines, 30))
        await asyncio.sleep(0)
        task.cancel()
        next(iter(deadlines.waiting)).exceed()
        await task

    with pytest.raises(asyncio.CancelledError):
        run(main())


def test_an_error_inside_comes_through() -> None:
    async def main() -> None:
        with Deadlines(30.0).one():
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(main())


def test_a_limit_needs_a_task() -> None:
    async def main() -> RuntimeError | None:
        deadlines, heard = Deadlines(1.0), asyncio.get_running_loop().create_future()

        def outside() -> None:
            try:
                with deadlines.one():
                    heard.set_result(None)
            except RuntimeError as error:
                heard.set_result(error)

        asyncio.get_running_loop().call_soon(outside)
        return await heard

    assert "task" in str(run(main()))


def test_a_held_limit_does_not_count_and_begins_anew() -> None:
    async def waits(held: float, after: float) -> str:
        deadlines = Deadlines(0.05)
        try:
            with deadlines.one() as deadline:
                deadline.hold()
                deadline.hold()
                await asyncio.sleep(held)
                deadline.release()
                await asyncio.sleep(held)
                deadline.release()
                await asyncio.sleep(after)
        except TimeoutError:
            return "late"
        return "in time"

    assert asyncio.run(waits(0.15, 0)) == "in time"
    assert asyncio.run(waits(0.01, 5)) == "late"


def test_what_is_released_after_the_block_counts_no_more() -> None:
    async def straggles() -> int:
        deadlines = Deadlines(0.01)
        with deadlines.one() as deadline:
            deadline.hold()
        deadline.release()
        await asyncio.sleep(0.03)
        return len(deadlines.waiting)

    assert asyncio.run(straggles()) == 0


def test_a_clock_counts_calls_by_what_they_took_themselves() -> None:
    async def works() -> float:
        clock = Clock()
        # In a queue for long, by itself short; and a known answer, which once took two seconds.
        clock.hold()
        await asyncio.sleep(0.2)
        clock.release(0.5)
        clock.hold()
        clock.release(2.0)
        # Side by side: the longest counts.
        clock.hold()
        clock.hold()
        clock.release(1.0)
        clock.release(3.0)
        return clock.seconds()

    assert 5.5 <= asyncio.run(works()) < 5.6


def test_a_clock_may_start_again() -> None:
    clock = Clock()
    clock.hold()
    clock.release(9.0)
    clock.start()
    assert clock.seconds() < 1
