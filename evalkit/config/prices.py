"""What usage costs in US dollars, by a dated table with a source on every row; an unknown price is unknown, never 0."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from evalkit.config._check import Strict, validate
from evalkit.config._yaml import read
from evalkit.config.project_models import Price
from evalkit.core.errors import ConfigError
from evalkit.core.keys import digest
from evalkit.core.units import PROMPT_UNITS, UNITS, Usage

BUNDLED = Path(__file__).parent / "prices.yaml"
# Counted on every call, and priced only where a vendor says so.
SILENT = ("requests", "bytes")
# Where a vendor publishes no rate of its own, these are billed like their kind.
STANDS_FOR = {"reasoning_tokens": "output_tokens", "cached_read_tokens": "input_tokens"}
_PER_MILLION = ("tokens", "characters")


@dataclass(frozen=True, slots=True)
class PriceRow:
    """`usd` US dollars for `per` units of `unit`, for models that `model` (a pattern) fits.

    Holds for calls with more than `above_prompt_tokens` prompt tokens, and for batch calls when `batch`. `dated` is the
    day (ISO) on which `source` said so.
    """

    model: str
    unit: str
    usd: float
    per: float
    above_prompt_tokens: int
    batch: bool
    source: str
    dated: str

    @property
    def price_id(self) -> str:
        """Content hash of the row."""
        return digest(asdict(self))

    @property
    def rate(self) -> float:
        """US dollars for one unit."""
        return self.usd / self.per


@dataclass(frozen=True, slots=True)
class PriceOf:
    """What is known about a model's price: `rates` in US dollars for one unit, `missing` units that would be unknown.

    `pattern` is None when nothing is known; `free` says that every unit is stated to cost 0.
    """

    model: str
    pattern: str | None
    rates: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    dated: str | None = None
    free: bool = False


class PriceTable:
    """Prices by model pattern; own prices go before the bundled ones, and the most specific pattern wins."""

    def __init__(self, bundled: Iterable[PriceRow], own: Iterable[PriceRow] = ()) -> None:
        self._layers = (_by_pattern(bundled), _by_pattern(own))
        self._found: dict[tuple[str, bool, str | None], dict[str, tuple[PriceRow, ...]]] = {}

    @classmethod
    def load(cls, overrides: Sequence[Price] = (), *, file: Path = BUNDLED) -> PriceTable:
        """The table in `file` under `overrides` (evalkit.yaml's prices). Raises ConfigError for a broken file."""
        return cls(_rows(file), (row for price in overrides for row in price_rows(price)))

    def rows(self) -> tuple[PriceRow, ...]:
        """Every row, bundled first."""
        return tuple(row for layer in self._layers for rows in layer.values() for row in rows)

    def money(self, model: str | None, usage: Usage, *, batch: bool = False, on: str | None = None) -> float | None:
        """US dollars of one call: the sum of count times rate; None when any unit that it used has no known price.

        A call without usage costs an unknown amount, unless everything about the model is free. Reasoning tokens are
        billed as output and cached reads as input where they have no row; `requests` and `bytes` cost nothing unless
        priced. The tier is chosen by the call's own prompt tokens, so sum the money of calls, never their usage.
        `on` (ISO day) leaves out what was published later.
        """
        known = self._known(model, batch=batch, on=on)
        if not known:
            return None
        if _free(known):
            return 0.0
        prompt = sum(usage.get(unit, 0) for unit in PROMPT_UNITS)
        costs = [_cost(known, unit, count, prompt) for unit, count in usage.items()]
        counted = any(unit in known or unit not in SILENT for unit in usage)
        return math.fsum(cost for cost in costs if cost is not None) if counted and None not in costs else None

    def price_of(self, model: str, *, batch: bool = False) -> PriceOf:
        """What is known and what is missing about a model's price, at the lowest tier."""
        known = self._known(model, batch=batch, on=None)
        rates = {unit: rate for unit in UNITS if (rate := _rate(known, unit, 0)) is not None}
        rows = [row for unit_rows in known.values() for row in unit_rows]
        return PriceOf(
            model,
            rows[-1].model if rows else None,
            rates,
            tuple(unit for unit in UNITS if unit not in rates and unit not in SILENT),
            tuple(dict.fromkeys(row.source for row in rows)),
            max((row.dated for row in rows), default=None),
            bool(known) and _free(known),
        )

    def _known(self, model: str | None, *, batch: bool, on: str | None) -> dict[str, tuple[PriceRow, ...]]:
        if model is None:
            return {}
        if (model, batch, on) not in self._found:
            merged: dict[str, tuple[PriceRow, ...]] = {}
            for layer in self._layers:
                pattern = _best(layer, model)
                rows = [
                    row
                    for row in layer.get(pattern or "", ())
                    if row.batch == batch and (on is None or row.dated <= on)
                ]
                merged |= _newest(rows)
            self._found[model, batch, on] = merged
        return self._found[model, batch, on]


def price_rows(price: Price) -> Iterator[PriceRow]:
    """The rows of one entry of a price list: one per pattern and unit."""
    for model in price.model:
        for batch in (False, True) if isinstance(price.usd, float) else (price.batch,):
            amounts = dict.fromkeys(UNITS, 0.0) if isinstance(price.usd, float) else price.usd
            for unit, usd in amounts.items():
                per = price.per or (1e6 if unit.endswith(_PER_MILLION) else 1.0)
                yield PriceRow(model, unit, usd, per, price.above_prompt_tokens, batch, price.source, price.dated)


class _PriceFile(Strict):
    prices: tuple[Price, ...]


@cache
def _rows(file: Path) -> tuple[PriceRow, ...]:
    found, problems = validate(_PriceFile, read(file))
    if found is None:
        raise ConfigError(problems)
    return tuple(row for price in found.prices for row in price_rows(price))


def _by_pattern(rows: Iterable[PriceRow]) -> dict[str, list[PriceRow]]:
    found: dict[str, list[PriceRow]] = {}
    for row in rows:
        found.setdefault(row.model, []).append(row)
    return found


def _best(patterns: Iterable[str], model: str) -> str | None:
    fitting = [pattern for pattern in patterns if pattern == model or fnmatchcase(model, pattern)]
    return max(fitting, key=lambda pattern: (pattern == model, _literal(pattern), pattern), default=None)


def _literal(pattern: str) -> int:
    inside, count = False, 0
    for character in pattern:
        inside = (inside or character == "[") and character != "]"
        count += not inside and character not in "*?]"
    return count


def _newest(rows: Iterable[PriceRow]) -> dict[str, tuple[PriceRow, ...]]:
    units: dict[str, list[PriceRow]] = {}
    for row in rows:
        units.setdefault(row.unit, []).append(row)
    newest = {unit: max(row.dated for row in found) for unit, found in units.items()}
    return {unit: tuple(row for row in found if row.dated == newest[unit]) for unit, found in units.items()}


def _free(known: Mapping[str, Sequence[PriceRow]]) -> bool:
    return all(unit in known and all(row.usd == 0 for row in known[unit]) for unit in UNITS)


def _rate(known: Mapping[str, Sequence[PriceRow]], unit: str, prompt: float) -> float | None:
    holding = [row for row in known.get(unit, ()) if prompt > row.above_prompt_tokens or row.above_prompt_tokens == 0]
    if holding:
        return max(holding, key=lambda row: row.above_prompt_tokens).rate
    return _rate(known, STANDS_FOR[unit], prompt) if unit in STANDS_FOR and unit not in known else None


def _cost(known: Mapping[str, Sequence[PriceRow]], unit: str, count: float, prompt: float) -> float | None:
    if not (math.isfinite(count) and count >= 0):
        return None
    rate = _rate(known, unit, prompt)
    if rate is None:
        return 0.0 if unit in SILENT or count == 0 else None
    return count * rate
