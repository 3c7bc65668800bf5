"""A machine whose clock is E2E_CLOCK seconds off and goes back by a minute every time that someone looks at it."""

from __future__ import annotations

import datetime as dt
import os
import time
from itertools import count

_time, _real, _looks = time.time, dt.datetime, count()


def _now() -> float:
    return _time() + float(os.environ["E2E_CLOCK"]) - 60 * next(_looks)


class _Kind(type(_real)):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _real)


class _Datetime(_real, metaclass=_Kind):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
        return _real.fromtimestamp(_now(), tz)


time.time = _now
time.time_ns = lambda: int(_now() * 1e9)
dt.datetime = _Datetime
