"""How long answers about recordings take, against how long the recordings are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._audio import BadRecording, answered, duration, stored
from evalkit.scorers._base import OneAnswer, choose, unscorable

_KEYS = ("seconds", "audio_seconds")


def _metric(name: str, numerator: str, denominator: str, *, up: bool) -> Metric:
    fold = Fold(across=Sums(partial(_folds.ratio, numerator=numerator, denominator=denominator), _KEYS))
    return Metric(
        name,
        "ratio",
        higher_is_better=up,
        bounds=(0.0, None),
        fold=fold,
        on_error="undefined",
        unit="x",
        fresh_only=True,
    )


_METRICS = (
    _metric("real_time_factor", *_KEYS, up=False),
    _metric("rtfx", *_KEYS[::-1], up=True),
)


@dataclass(frozen=True, slots=True)
class RealTimeFactor(OneAnswer):
    """Seconds of answering / seconds of recording, both summed over the corpus; `rtfx` is the inverse, the throughput.

    `of` = input (recognition): the length is the sample's `meta.seconds`, else what the header of input field `audio`
    says; or answer (synthesis): the length of the recording that was answered. Reused answers are left out: their time
    is not this run's. Needs no target.
    """

    audio: str = "audio"
    of: str = "input"

    def __post_init__(self) -> None:
        choose("of", self.of, ("input", "answer"))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`real_time_factor`, below 1 is faster than speech; `rtfx`."""
        return _METRICS

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Divide one answer's time by its recording's."""
        response = responses[0]
        if response.error is not None:
            return unscorable(_METRICS, f"{response.error.kind.value}: {response.error.message}")
        if response.seconds is None:
            return unscorable(_METRICS, "the time was not measured")
        try:
            length = duration(answered(response, ctx)) if self.of == "answer" else self._length(sample, ctx)
        except BadRecording as error:
            return unscorable(_METRICS, str(error))
        if length <= 0:
            return unscorable(_METRICS, "the recording has no length")
        parts = {"seconds": response.seconds, "audio_seconds": length}
        faster = length / response.seconds if response.seconds > 0 else None
        return {
            "real_time_factor": Score(response.seconds / length, parts),
            "rtfx": Score(faster, parts, reason=None if faster is not None else "no time was taken"),
        }

    def problem(self, sample: Sample) -> str | None:
        """A sample without a recording whose length is not given either."""
        if self.of == "input" and _given(sample) is None and not isinstance(sample.input.get(self.audio), Mapping):
            return f"the sample has neither meta.seconds nor a recording in input field {self.audio!r}"
        return None

    def _length(self, sample: Sample, ctx: Context) -> float:
        given = _given(sample)
        if given is not None:
            return given
        return duration(stored(sample.input.get(self.audio), ctx, f"input field {self.audio!r}"))


def _given(sample: Sample) -> float | None:
    value = sample.meta.get("seconds")
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def make(**options: Any) -> RealTimeFactor:
    """Build from options; raises ValueError naming the known ones."""
    return build(RealTimeFactor, options)
