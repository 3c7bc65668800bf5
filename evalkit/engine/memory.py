"""How often the process looks for reference cycles while it works through many samples."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_OBJECTS = 20_000


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Look for cycles after 20,000 new objects, not after 700 as Python does; the setting before comes back.

    What a run makes lives to its end or has no cycles: the default walks over it again and again, for a tenth of the
    CPU time of a run.
    """
    before = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
