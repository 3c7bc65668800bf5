"""Scorers that rest on another scorer's verdict: finding it by its spec, and lending its properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

from evalkit.core.errors import did_you_mean
from evalkit.core.spec import Spec
from evalkit.core.types import Context, Metric, Response, Sample, Score, Scorer
from evalkit.scorers._base import OneAnswer

_SHARED = "NAMES = ("


@lru_cache(maxsize=64)
def scorer(spec: str) -> Scorer:
    """The scorer of a spec. Raises ValueError that says what is wrong with it."""
    parsed = Spec.parse(spec)
    part = _module(parsed.name)
    options = dict(parsed.options)
    if parsed.at is not None:
        options["k"] = parsed.at
    if hasattr(part, "NAMES"):
        options["name"] = parsed.name
    try:
        made: Scorer = part.make(**options)
    except TypeError as error:
        raise ValueError(f"{spec}: {error}") from error
    return made


def _module(name: str) -> ModuleType:
    room = Path(__file__).parent
    files = {file.stem: file for file in room.glob("[!_]*.py")}
    if name in files and _SHARED not in files[name].read_text("utf-8"):
        return import_module(f"{__package__}.{name}")
    for stem, file in sorted(files.items()):
        if _SHARED in (text := file.read_text("utf-8")) and f'"{name}"' in text:
            part = import_module(f"{__package__}.{stem}")
            if name in part.NAMES:
                return part
    for point in entry_points(group="evalkit.scorers", name=name):
        loaded: ModuleType = point.load()
        return loaded
    raise ValueError(f"there is no scorer {name!r}" + (f"; {hint}" if (hint := did_you_mean(name, files)) else ""))


class Resting(OneAnswer):
    """Base of scorers that rest on another: a subclass has a property `spec`, the spec of the one it rests on.

    Whether it is heavy, whom it asks, which libraries and targets it needs are the other's.
    """

    __slots__ = ()
    takes: ClassVar[Literal["one", "pair", "repeats"]] = "one"

    @property
    def spec(self) -> str:
        """The spec of the scorer that this one rests on."""
        raise NotImplementedError

    @property
    def inner(self) -> Scorer:
        """The scorer that this one rests on."""
        return scorer(self.spec)

    @property
    def main(self) -> Metric:
        """The main metric of the scorer that this one rests on."""
        return self.inner.metrics[0]

    @property
    def heavy(self) -> bool:  # type: ignore[override]
        """Whether the other runs in worker processes."""
        return self.inner.heavy

    @property
    def libraries(self) -> tuple[str, ...]:  # type: ignore[override]
        """The packages that the other's numbers rest on."""
        return self.inner.libraries

    @property
    def version(self) -> int:  # type: ignore[override]
        """Rises when the other's numbers change or its own do."""
        return 100 * self.inner.version + 1

    @property
    def needs(self) -> tuple[str, ...]:
        """The candidates that the other asks."""
        return tuple(getattr(self.inner, "needs", ()))

    async def verdict(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Score:
        """The other's main score."""
        return (await self.inner.score(sample, responses, ctx))[self.main.name]

    def problem(self, sample: Sample) -> str | None:
        """What makes the sample impossible to score for the other."""
        check = getattr(self.inner, "problem", None)
        found: str | None = None if check is None else check(sample)
        return found


def checked(part: Any) -> None:
    """Raise ValueError when the other scorer cannot be made, sees several answers, or gives no share from 0 to 1."""
    other = scorer(part.spec)
    if isinstance(other, Resting) or other.takes != "one":
        raise ValueError(f"{part.spec!r} does not judge one answer by itself; name a scorer that does")
    if other.metrics[0].bounds != (0.0, 1.0):
        raise ValueError(f"{part.spec!r} gives {other.metrics[0].name}, which is no share from 0 to 1")


Scores = Mapping[str, Score]
