"""Memory that was freed goes back; what was lent to a transaction is let go of before it ends."""

from __future__ import annotations

import ctypes
import gc
import platform
import weakref

import numpy as np

from evalkit.store import allocator, bulk
from evalkit.store.database import Store, transaction


class Text(str):
    """A text whose end can be watched."""

    __slots__ = ("__weakref__",)


def test_the_threshold_is_set_where_there_is_one() -> None:
    assert allocator.give_back_at_once() == (platform.libc_ver()[0] == "glibc")
    assert allocator.give_back_at_once() == hasattr(ctypes.CDLL(None), "mallopt")


def test_freed_memory_can_be_given_back_at_any_time() -> None:
    held = np.ones(1 << 20)
    del held
    allocator.give_back()
    allocator.give_back()


def test_a_library_without_such_functions_is_left_alone(monkeypatch) -> None:
    monkeypatch.setattr(allocator, "_library", object)
    assert allocator.give_back_at_once() is False
    allocator.give_back()


def test_what_was_lent_is_not_held_until_the_transaction_ends(tmp_path) -> None:
    with Store(tmp_path).open() as connection, transaction(connection):
        connection.execute("create temp table seen (word varchar)")
        word = Text("hello")
        watched = weakref.ref(word)
        with bulk.lent(connection, "words", {"word": [word]}):
            connection.execute("insert into seen select word from words")
        del word
        gc.collect()
        assert watched() is None
        assert connection.execute("select * from seen").fetchall() == [("hello",)]
