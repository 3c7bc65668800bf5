"""Votes of people on outputs: read from a file, matched by sample and output, screened by declared rules."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.scorers._answers import written

Floats = npt.NDArray[np.float64]

LEAST_CORRELATION = 0.75
LEAST_SPREAD = 0.2
LEAST_VOTES = 5
TRAP_SLACK = 1.0
_SHORTEST_HASH = 8
_NEEDED = ("rater", "sample", "output", "score")
_NO = ("0", "false", "no")


@dataclass(frozen=True, slots=True)
class Ratings:
    """What a file holds: `votes` [stimuli, raters] (NaN where nobody voted, repeated votes averaged).

    `stimuli` = (sample id, output hash or its beginning). `screened` = rater -> why the rules would leave them out.
    `unfinished` = votes dropped since the rater had not heard or seen everything.
    """

    stimuli: tuple[tuple[str, str], ...]
    raters: tuple[str, ...]
    votes: Floats
    screened: Mapping[str, str]
    unfinished: int
    digest: str

    def of(self, sample: str, output: str) -> Floats | None:
        """The votes on one output, [raters]; None when nobody rated it. An output is known by its hash's beginning."""
        for place, (ident, known) in enumerate(self.stimuli):
            if ident == sample and output.startswith(known):
                found: Floats = self.votes[place]
                return found
        return None

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Which raters the rules leave, [raters]."""
        return np.array([rater not in self.screened for rater in self.raters], dtype=np.bool_)

    def without_bias(self) -> Floats:
        """Votes less each rater's bias: their mean deviation from the stimuli's means (ITU-T P.913, 12.4)."""
        stimulus = np.nanmean(self.votes, axis=1, keepdims=True)
        found: Floats = self.votes - np.nanmean(self.votes - stimulus, axis=0, keepdims=True)
        return found


def load(path: str, low: float, high: float) -> Ratings:
    """Read a CSV or JSONL file: rater, sample, output and score; `expected` and `finished` may be there.

    `output` = SHA-256 of what was rated, or at least its first 8 digits. A row with `expected` is a trap, no vote.
    Raises ValueError that names file and line for what is missing, no number, or outside `low`..`high`.
    """
    file = Path(path)
    try:
        found = file.stat()
    except OSError as error:
        raise ValueError(f"ratings={path!r} cannot be read: {error.strerror}") from None
    return _load(str(file), low, high, (found.st_size, found.st_mtime_ns))


# A suite's scorers ask for the same file once per answer; size and time of the file say whether it is still the same.
@lru_cache(maxsize=8)
def _load(path: str, low: float, high: float, stamp: tuple[int, int]) -> Ratings:  # noqa: ARG001 - part of the key
    data = Path(path).read_bytes()
    cells: dict[tuple[tuple[str, str], str], list[float]] = {}
    trapped: Counter[str] = Counter()
    unfinished = 0
    for where, row in _rows(path, data):
        rater, stimulus, score = _vote(row, where, low, high)
        expected = row.get("expected")
        if expected not in (None, ""):
            trapped[rater] += abs(score - _number(expected, where, "expected")) > TRAP_SLACK
        elif str(row.get("finished", "")).strip().lower() in _NO:
            unfinished += 1
        else:
            cells.setdefault((stimulus, rater), []).append(score)
    if not cells:
        raise ValueError(f"{path} holds no votes")
    stimuli = tuple(dict.fromkeys(stimulus for stimulus, _ in cells))
    raters = tuple(dict.fromkeys(rater for _, rater in cells))
    votes = np.full((len(stimuli), len(raters)), np.nan)
    places = {one: place for place, one in enumerate(stimuli)}, {one: place for place, one in enumerate(raters)}
    for (stimulus, rater), scores in cells.items():
        votes[places[0][stimulus], places[1][rater]] = sum(scores) / len(scores)
    screened = screen(votes, raters, trapped)
    return Ratings(stimuli, raters, votes, screened, unfinished, hashlib.sha256(data).hexdigest())


def _rows(path: str, data: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    lines = data.decode("utf-8-sig", "replace").splitlines()
    if path.endswith((".jsonl", ".ndjson")):
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield f"{path}:{number}", _object(line, f"{path}:{number}")
        return
    reader = csv.DictReader(lines)
    absent = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
    if absent:
        raise ValueError(f"{path} has no column {absent[0]!r}; needed: {', '.join(_NEEDED)}")
    for row in reader:
        yield f"{path}:{reader.line_num}", row


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where}: not JSON: {error}") from None
    absent = [name for name in _NEEDED if not isinstance(row, dict) or name not in row]
    if absent:
        raise ValueError(f"{where}: no {absent[0]!r}; needed: {', '.join(_NEEDED)}")
    found: Mapping[str, Any] = row
    return found


def _vote(row: Mapping[str, Any], where: str, low: float, high: float) -> tuple[str, tuple[str, str], float]:
    output = str(row["output"] or "").strip().lower()
    if len(output) < _SHORTEST_HASH or set(output) - set("0123456789abcdef"):
        raise ValueError(f"{where}: output {output[:20]!r} is no SHA-256 or its first {_SHORTEST_HASH} digits or more")
    score = _number(row["score"], where, "score")
    if not low <= score <= high:
        raise ValueError(f"{where}: score {score:g} is outside {low:g} to {high:g}")
    rater = str(row["rater"] or "").strip()
    if not rater:
        raise ValueError(f"{where}: no rater is named; whose votes are whose decides the interval")
    return rater, (str(row["sample"]), output), score


def _number(value: Any, where: str, what: str) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {what} {str(value)[:20]!r} is no number") from None
    if not np.isfinite(found):
        raise ValueError(f"{where}: {what} is {found}")
    return found


def screen(votes: Floats, raters: tuple[str, ...], trapped: Mapping[str, int]) -> dict[str, str]:
    """Rater -> why they are left out; the rules see all votes at once, so their order does not matter.

    A trap missed by more than 1; a standard deviation below 0.2; a correlation below 0.75 with the mean of the others;
    the kurtosis rule of ITU-R BT.500. Fewer than 5 votes are too few to be judged by the last three.
    """
    found: dict[str, str] = {}
    outlying = bt500(votes)
    for place, rater in enumerate(raters):
        if trapped.get(rater):
            found[rater] = f"missed {trapped[rater]} trap{'s' if trapped[rater] > 1 else ''}"
        elif (~np.isnan(votes[:, place])).sum() >= LEAST_VOTES:
            why = _straight(votes[:, place]) or _apart(votes, place)
            why = why or ("outside the others' range on both sides (BT.500)" if outlying[place] else None)
            if why:
                found[rater] = why
    return found


def _straight(own: Floats) -> str | None:
    spread = float(np.nanstd(own, ddof=1))
    return f"the same answer to everything (SD {spread:.2f})" if spread < LEAST_SPREAD else None


def _apart(votes: Floats, place: int) -> str | None:
    others = np.delete(votes, place, axis=1)
    own = votes[:, place]
    both = ~np.isnan(own) & (~np.isnan(others)).any(axis=1)
    if both.sum() < LEAST_VOTES:
        return None
    mean = np.nanmean(others[both], axis=1)
    if mean.std() == 0:
        return None
    correlation = float(np.corrcoef(own[both], mean)[0, 1])
    return f"correlation {correlation:.2f} with the others" if correlation < LEAST_CORRELATION else None


def bt500(votes: Floats) -> npt.NDArray[np.bool_]:
    """Raters whose votes leave the range of the others too often and on both sides, [raters].

    Rec. ITU-R BT.500, annex 1, 2.3.1: outside mean +- 2 sd (sqrt(20) sd where the kurtosis is not in 2..4) for more
    than 5 % of the stimuli, above and below alike (their difference below 30 % of their sum).
    """
    mean = np.nanmean(votes, axis=1, keepdims=True)
    apart = votes - mean
    count = (~np.isnan(votes)).sum(axis=1, keepdims=True)
    power = np.nansum(apart**2, axis=1, keepdims=True)
    sd = np.sqrt(power / np.maximum(count - 1, 1))
    kurtosis = count * np.nansum(apart**4, axis=1, keepdims=True) / np.where(power > 0, power, 1.0) ** 2
    reach = np.where((kurtosis >= 2) & (kurtosis <= 4), 2.0, np.sqrt(20.0)) * sd
    above = ((apart >= reach) & (sd > 0)).sum(axis=0)
    below = ((apart <= -reach) & (sd > 0)).sum(axis=0)
    both = above + below
    share = both / np.maximum((~np.isnan(votes)).sum(axis=0), 1)
    return np.asarray((share > 0.05) & (np.abs(above - below) < 0.3 * both))


def output_hash(output: Any) -> str:
    """The SHA-256 by which an output is known: of the one file that it holds, else of its text."""
    refs = list(_references(output))
    if len(refs) == 1:
        return refs[0]
    return hashlib.sha256(written(output).encode("utf-8", "replace")).hexdigest()


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if "$blob" in value:
            yield str(value["$blob"])
        else:
            for inner in value.values():
                yield from _references(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _references(inner)
