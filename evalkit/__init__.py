"""evalkit: suites x candidates, every call remembered, honest statistics, an HTML leaderboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Results", "Sample", "Score", "__version__", "run"]

if TYPE_CHECKING:
    from evalkit.app.api import Results, run
    from evalkit.core.types import Sample, Score

_HOMES = {
    "Results": "evalkit.app.api",
    "run": "evalkit.app.api",
    "Sample": "evalkit.core.types",
    "Score": "evalkit.core.types",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
