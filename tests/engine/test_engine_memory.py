"""How often cycles are looked for."""

from __future__ import annotations

import gc

import pytest

from evalkit.engine.memory import YOUNG_OBJECTS, collected_seldom


def test_the_setting_of_before_comes_back() -> None:
    before = gc.get_threshold()
    with collected_seldom():
        assert gc.get_threshold() == (YOUNG_OBJECTS, *before[1:])
    assert gc.get_threshold() == before


def test_the_setting_of_before_comes_back_after_an_error() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), collected_seldom():
        raise KeyError
    assert gc.get_threshold() == before
