"""The command line that is killed, as by a power cut, just before its n-th statement to the store (E2E_DIE_AT).

With n = 0 it lives and writes how many statements there were to the file E2E_COUNT.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import duckdb

from evalkit.cli.main import main

_connect = duckdb.connect
_at = int(os.environ["E2E_DIE_AT"])
_count = 0


class Mortal:
    """A connection whose statements are counted."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        if name in ("execute", "executemany", "close"):
            _step()
        return getattr(self._connection, name)


def _step() -> None:
    global _count  # noqa: PLW0603 - it is the program's one number
    _count += 1
    if _count == _at:
        os.kill(os.getpid(), signal.SIGKILL)


duckdb.connect = lambda *args, **kwargs: Mortal(_connect(*args, **kwargs))
try:
    main()
finally:
    if not _at:
        Path(os.environ["E2E_COUNT"]).write_text(str(_count), "utf-8")
