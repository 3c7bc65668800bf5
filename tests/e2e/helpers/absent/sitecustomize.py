"""On PYTHONPATH: Python finds no package that E2E_ABSENT names, as where it was never installed."""

from __future__ import annotations

import os
import sys
from typing import Any


class Without:
    """A finder that does not find some packages."""

    def __init__(self, finder: Any, absent: frozenset[str]) -> None:
        self.finder, self.absent = finder, absent

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in self.absent else self.finder.find_spec(name, path, target)


_ABSENT = frozenset(filter(None, os.environ["E2E_ABSENT"].split(",")))
sys.meta_path[:] = [Without(finder, _ABSENT) for finder in sys.meta_path]
