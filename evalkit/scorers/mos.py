"""Opinions of people about outputs: mean opinion score and comparison score, with effects of raters and stimuli."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from evalkit.core.fold import Fold, Sums, Whole
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._answers import answer_text, failure
from evalkit.scorers._base import OneAnswer, choose, unscorable
from evalkit.scorers._folds import Columns, Floats
from evalkit.scorers._ratings import Ratings, load, output_hash

NAMES = ("mos", "cmos")

_SCALES = {"mos": (1.0, 5.0), "cmos": (-3.0, 3.0)}
_BY_RATER = "r:"
_LEVEL = 0.95


def crossed_bound(columns: Columns, weights: Floats, *, side: int, low: float, high: float) -> Floats:
    """One end (`side` -1 or 1) of the 95 % interval of the mean with raters and stimuli both drawn at random, [B].

    Columns: `stimulus` (a code; equal codes are one stimulus) and `r:<rater>` (that rater's vote). Fully crossed: SE =
    sqrt((MS_raters + MS_stimuli - MS_residual) / (R S)); else two-way cluster-robust, V_raters + V_stimuli - V_votes,
    never below the larger of the first two. t with min(R, S) - 1 degrees of freedom. NaN below two of either.
    """
    votes, shares = _table(columns, weights)
    mean, variance, degrees = _crossed(votes, shares)
    return _bound(mean, variance, degrees, side=side, low=low, high=high)


def listener_bound(columns: Columns, weights: Floats, *, side: int, low: float, high: float) -> Floats:
    """One end of the 95 % t interval over listeners' mean comparisons, [B] (paired t by listener); NaN below two."""
    votes, shares = _table(columns, weights)
    there = ~np.isnan(votes)
    heard = shares @ there
    own = _folds.divide(shares @ np.nan_to_num(votes), heard)
    count = (heard > 0).sum(axis=1)
    listeners = np.nan_to_num(own).sum(axis=1) / np.maximum(count, 1)
    spread = (np.where(heard > 0, own - listeners[:, None], 0.0) ** 2).sum(axis=1) / np.maximum(count - 1, 1)
    mean = _folds.divide((shares * _means(votes)).sum(axis=1), shares.sum(axis=1))
    return _bound(mean, spread / np.maximum(count, 1), count - 1, side=side, low=low, high=high)


def _table(columns: Columns, weights: Floats) -> tuple[Floats, Floats]:
    """Votes [stimuli, raters] and each stimulus' share of the weight [B, stimuli] (zeros where none is left)."""
    raters = [columns[name] for name in sorted(columns) if name.startswith(_BY_RATER)]
    code = columns.get("stimulus")
    if not raters or code is None:
        return np.zeros((0, 0)), np.zeros((weights.shape[0], 0))
    votes = np.stack(raters, axis=1)
    rated = ~np.isnan(votes).all(axis=1)
    known, first, place = np.unique(code[rated], return_index=True, return_inverse=True)
    member = (place[:, None] == np.arange(known.size)).astype(np.float64)
    total = weights[:, rated] @ member
    return votes[rated][first], np.nan_to_num(_folds.divide(total, total.sum(axis=1, keepdims=True)))


def _means(votes: Floats) -> Floats:
    there = ~np.isnan(votes)
    return np.asarray(np.nan_to_num(votes).sum(axis=1) / np.maximum(there.sum(axis=1), 1))


def _crossed(votes: Floats, shares: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, its variance and the degrees of freedom for each row of shares, [B] each."""
    there = (~np.isnan(votes)).astype(np.float64)
    filled, count = np.nan_to_num(votes), np.maximum(there.sum(axis=1), 1)
    stimulus = _means(votes)
    mean = np.where(shares.sum(axis=1) > 0, shares @ stimulus, np.nan)
    each = there / count[:, None]
    apart = shares @ (filled / count[:, None]) - mean[:, None] * (shares @ each)
    raters = ((shares > 0) @ there > 0).sum(axis=1)
    stimuli = (shares > 0).sum(axis=1)
    by_rater = _few(raters) * (apart**2).sum(axis=1)
    by_stimulus = _few(stimuli) * (shares**2 * (stimulus - mean[:, None]) ** 2).sum(axis=1)
    square = (filled**2).sum(axis=1) - 2 * mean[:, None] * filled.sum(axis=1) + mean[:, None] ** 2 * there.sum(axis=1)
    by_vote = (shares**2 / count**2 * square).sum(axis=1)
    variance = np.maximum(by_rater + by_stimulus - by_vote, np.maximum(by_rater, by_stimulus))
    for place in np.flatnonzero([_balanced(there, share) for share in shares]):
        variance[place] = _anova(filled[shares[place] > 0][:, there.any(axis=0)])
    return mean, variance, np.minimum(raters, stimuli) - 1.0


def _balanced(there: Floats, share: Floats) -> bool:
    used = share > 0
    if used.sum() < 2 or not np.allclose(share[used], share[used][0]):
        return False
    seen = there[used][:, there.any(axis=0)]
    return bool(seen.all()) and seen.shape[1] > 1


def _anova(votes: Floats) -> float:
    stimuli, raters = votes.shape
    mean, by_stimulus, by_rater = votes.mean(), votes.mean(axis=1), votes.mean(axis=0)
    ms_stimuli = raters * ((by_stimulus - mean) ** 2).sum() / (stimuli - 1)
    ms_raters = stimuli * ((by_rater - mean) ** 2).sum() / (raters - 1)
    residual = votes - by_stimulus[:, None] - by_rater[None, :] + mean
    ms_residual = (residual**2).sum() / ((stimuli - 1) * (raters - 1))
    # An estimated interaction above both effects would leave nothing: then the larger effect alone is taken.
    return float(max(ms_raters + ms_stimuli - ms_residual, ms_raters, ms_stimuli) / (raters * stimuli))


def _few(groups: Any) -> Floats:
    return np.where(groups > 1, groups / np.maximum(groups - 1, 1), np.nan)


def _bound(mean: Floats, variance: Floats, degrees: Any, *, side: int, low: float, high: float) -> Floats:
    from scipy.special import stdtrit

    defined = np.asarray(degrees) >= 1
    reach = stdtrit(np.where(defined, degrees, 1.0), (1 + _LEVEL) / 2) * np.sqrt(np.maximum(variance, 0.0))
    return np.where(defined, np.clip(mean + side * reach, low, high), np.nan)


@lru_cache(maxsize=16)
def _metrics(name: str, low: float, high: float) -> tuple[Metric, ...]:
    bound: Callable[..., Floats] = crossed_bound if name == "mos" else listener_bound
    mean = Fold(across=Sums(partial(_folds.ratio, numerator="sum", denominator="n"), ("sum", "n")))
    kept = Fold(across=Sums(partial(_folds.ratio, numerator="kept_sum", denominator="kept_n"), ("kept_sum", "kept_n")))
    ends = [
        Metric(
            f"{name}_{told}",
            "corpus",
            bounds=(low, high),
            fold=Fold(across=Whole(partial(bound, side=side, low=low, high=high))),
            on_error=low,
        )
        for told, side in (("low", -1), ("high", 1))
    ]
    return (
        Metric(
            name,
            "ratio",
            bounds=(low, high),
            fold=mean,
            on_error=low,
            primary=True,
            ends=(f"{name}_low", f"{name}_high"),
        ),
        *ends,
        Metric(f"{name}_screened", "ratio", bounds=(low, high), fold=kept, on_error=low),
        Metric(f"{name}_rated", "mean01", bounds=(0.0, 1.0)),
    )


@dataclass(frozen=True, slots=True)
class Opinion(OneAnswer):
    """Mean of people's votes on an output, every stimulus weighing the same; raters and stimuli both make its interval.

    `ratings` = a CSV or JSONL file (path from where evalkit is run) with the columns rater, sample, output, score:
    `output` is the SHA-256 of the rated file or text, or at least its first 8 digits, so that a vote stays with what
    was rated whoever made it. `expected` marks a trap row, `finished` = no a vote without having listened to the end.
    `mos`: scores 1..5 (`low`, `high` change the scale); `cmos`: -3..3, above 0 where this output is the better one.
    `remove_bias` takes each rater's mean deviation away (ITU-T P.913). `_low` and `_high` end the 95 % interval: for
    `mos` with crossed effects of raters and stimuli, for `cmos` by listener; it is the one that stands beside the mean,
    since one over samples alone is too narrow. `_screened` is the mean without the raters that the rules of `_ratings`
    leave out. What nobody rated has no value and no weight: `_rated` is the share that has. Works for any output.
    `name` = mos or cmos.
    """

    ratings: str
    low: float | None = None
    high: float | None = None
    remove_bias: bool = False
    name: str = "mos"

    def __post_init__(self) -> None:
        choose("name", self.name, NAMES)
        if not self._scale[0] < self._scale[1]:
            raise ValueError(f"low={self.low} must be below high={self.high}")
        load(self.ratings, *self._scale)

    @property
    def version(self) -> int:  # type: ignore[override]
        """Rises with the code and changes with the file's content, so that numbers of other votes are other numbers."""
        # Fits the store's 32 bits: three for the code, 28 of the content's hash.
        return (1 << 28) + int(self._votes.digest[:7], 16)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The mean, the ends of its interval, the mean without screened raters, the share that was rated."""
        return _metrics(self.name, *self._scale)

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Look the votes on this output up."""
        reason = answer_text(response)[1] if isinstance(response.output, str) else failure(response)
        if reason is not None:
            return unscorable(self.metrics, reason)
        found = self._votes
        output = output_hash(response.output)
        votes = self._of(found, sample.id, output)
        if votes is None or np.isnan(votes).all():
            return self._unrated(output)
        mean = float(np.nanmean(votes))
        kept = votes[found.kept]
        stimulus = {"stimulus": _code(f"{sample.id}\x1f{output}")}
        named = {f"{_BY_RATER}{r}": float(v) for r, v in zip(found.raters, votes, strict=True) if not np.isnan(v)}
        scores = {self.name: Score(mean, {"sum": mean, "n": 1.0}, reason=_told(found, votes))}
        for end in ("low", "high"):
            scores[f"{self.name}_{end}"] = Score(mean, {**stimulus, **named})
        scores[f"{self.name}_screened"] = _screened(kept)
        return {**scores, f"{self.name}_rated": Score(1.0)}

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """The lowest vote of every rater; not rated."""
        low = self._scale[0]
        everyone = {f"{_BY_RATER}{rater}": low for rater in self._votes.raters}
        scores = {self.name: Score(low, {"sum": low, "n": 1.0})}
        for end in ("low", "high"):
            scores[f"{self.name}_{end}"] = Score(low, {"stimulus": _code(sample.id), **everyone})
        scores[f"{self.name}_screened"] = Score(low, {"kept_sum": low, "kept_n": 1.0})
        return {**scores, f"{self.name}_rated": Score(0.0)}

    @property
    def _scale(self) -> tuple[float, float]:
        low, high = _SCALES[self.name]
        return (low if self.low is None else float(self.low), high if self.high is None else float(self.high))

    @property
    def _votes(self) -> Ratings:
        return load(self.ratings, *self._scale)

    def _of(self, found: Ratings, sample: str, output: str) -> Floats | None:
        votes = found.of(sample, output)
        if votes is None or not self.remove_bias:
            return votes
        bias = np.nanmean(found.votes - found.without_bias(), axis=0)
        return np.asarray(votes - bias)

    def _unrated(self, output: str) -> Mapping[str, Score]:
        reason = f"nobody has rated this output ({output[:12]})"
        empty: dict[str, Mapping[str, float]] = {
            self.name: {"sum": 0.0, "n": 0.0},
            f"{self.name}_screened": {"kept_sum": 0.0, "kept_n": 0.0},
        }
        scores = {
            m.name: Score(None, empty.get(m.name, {"stimulus": _code(output)}), reason=reason) for m in self.metrics
        }
        return {**scores, f"{self.name}_rated": Score(0.0)}


def _screened(kept: Floats) -> Score:
    there = kept[~np.isnan(kept)]
    if not there.size:
        return Score(None, {"kept_sum": 0.0, "kept_n": 0.0}, reason="every rater of this output was screened")
    mean = float(there.mean())
    return Score(mean, {"kept_sum": mean, "kept_n": 1.0})


def _told(found: Ratings, votes: Floats) -> str:
    count = int((~np.isnan(votes)).sum())
    few = "; fewer than 8" if count < 8 else ""
    out = "; ".join(f"{rater}: {why}" for rater, why in list(found.screened.items())[:5])
    more = f" and {len(found.screened) - 5} more" if len(found.screened) > 5 else ""
    screened = f"; screened {len(found.screened)} of {len(found.raters)} raters ({out}{more})" if found.screened else ""
    return f"{count} vote{'s' if count != 1 else ''}{few}{screened}"[:590]


def _code(text: str) -> float:
    """A number that stands for a text: 48 bits of its hash, exact in a float."""
    return float(int(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12], 16))


def make(name: str = "mos", **options: Any) -> Opinion:
    """Build from options; raises ValueError naming the known ones, and for a file that cannot be read as votes."""
    return build(Opinion, {**options, "name": name})
