"""Shards among processes: what they are told, what they report and spend together, and how they end."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from multiprocessing import active_children
from typing import Any

from evalkit.engine.executor import Counts, Link, Processes, Shard


def counts(done: int, usd: float = 0.0) -> Counts:
    return Counts("e", done, 0, 0.0, usd, 0, None, 0, 0, None)


def spends(payload: Any, shard: Shard, link: Link) -> None:
    first, second = link.told(), link.told()
    link.spend("suite:a", 1.0, 10.0)
    total, _ = link.spend("run", float(payload), 0.0)
    link.report([counts(len(first) + len(second) + shard.index, total)])


def fails(payload: Any, shard: Shard, link: Link) -> None:
    link.told()
    if shard.index == payload:
        sys.exit(7)


def waits_for_stop(payload: Any, shard: Shard, link: Link) -> None:
    link.told()
    link.report([counts(0)])
    while link.stop_level() < 2:
        time.sleep(0.01)
    link.report([counts(link.stop_level())])


def test_workers_are_told_in_turn_and_spend_together() -> None:
    heard: dict[int, Sequence[Counts]] = {}
    processes = Processes(2, room=2)
    processes.start(spends, 3)
    processes.tell("ab")
    assert processes.execute("cde", ["run", "suite:a"], heard.__setitem__) == []
    assert {index: one[0].done for index, one in heard.items()} == {0: 5, 1: 6}
    assert sorted(one[0].usd for one in heard.values()) == [3.0, 6.0]
    processes.end()


def test_a_worker_that_dies_is_told_of() -> None:
    processes = Processes(2, room=1)
    processes.start(fails, 1)
    assert processes.execute(None, ["run"], lambda _worker, _counts: None) == ["worker 1 ended with code 7"]
    processes.end()


def test_a_worker_that_is_gone_before_it_is_told_is_told_of_too() -> None:
    processes = Processes(1, room=1)
    processes.start(fails, 0)
    processes.tell(None)
    time.sleep(0.5)
    assert processes.execute(None, ["run"], lambda _worker, _counts: None) == ["worker 0 ended with code 7"]
    processes.end()


def test_stop_reaches_the_workers() -> None:
    heard: list[int] = []
    processes = Processes(1, room=1)
    processes.start(waits_for_stop, None)

    def hear(_worker: int, told: Sequence[Counts]) -> None:
        heard.append(told[0].done)
        processes.stop()
        processes.stop()

    assert processes.execute(None, ["run"], hear) == []
    assert heard == [0, 2]
    processes.end()


def test_workers_that_nobody_tells_anything_can_be_ended() -> None:
    processes = Processes(2, room=1)
    processes.start(fails, 0)
    started = {child.pid for child in active_children()}
    processes.end()
    assert not started & {child.pid for child in active_children()}
    assert processes.execute(None, [], lambda _worker, _counts: None) == []
