"""Whether a recogniser that the user names understands a synthesised recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers._audio import BadRecording, answered
from evalkit.scorers._base import OneAnswer, trouble, unscorable
from evalkit.scorers._judging.asking import JudgeFailed
from evalkit.scorers._targets import texts
from evalkit.scorers.wer import ErrorRate

EXTRA = "text"

_PREFIX = "round_trip_"


@dataclass(frozen=True, slots=True)
class RoundTrip(OneAnswer):
    """Word error rate of a recogniser's transcript of the answered recording, pooled; what `wer` does on it.

    `asr` = the recogniser: a candidate's name, `provider/model` or a baseline. `normaliser` as in `wer`. Both belong to
    the signature: another recogniser gives other numbers, and a weak one measures itself. The reference is the target
    (text, list of texts, or an object with one under text), else what was to be said, the input field `text`. The
    recogniser gets the recording as input field `audio`. Where it fails the score is an error, not the candidate's.
    """

    asr: str
    normaliser: str = "basic"
    text: str = "text"
    audio: str = "audio"

    def __post_init__(self) -> None:
        if not self.asr:
            raise ValueError("asr='' names nobody; write the candidate who is to listen")
        self._rate()

    @property
    def needs(self) -> tuple[str, ...]:
        """Who is asked."""
        return (self.asr,)

    @property
    def libraries(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of `wer`."""
        return self._rate().libraries

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`round_trip_wer` and its shares of substitutions, deletions and insertions."""
        found = self._rate().metrics
        return tuple(replace(metric, name=_PREFIX + metric.name) for metric in found)

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Have the recording transcribed and count the edits. Raises JudgeFailed where the recogniser fails."""
        try:
            answered(responses[0], ctx)
        except BadRecording as error:
            return unscorable(self.metrics, str(error))
        output = responses[0].output
        ref = output if "$blob" in output else output["audio"]
        asked = Sample(sample.id, {self.audio: dict(ref)})
        heard = await ctx.ask(ctx.candidate(self.asr), asked, stage="asr")
        if heard.error is not None:
            raise JudgeFailed(f"{self.asr} gave no transcript: {heard.error.kind.value}: {heard.error.message}")
        found = self._rate().mark(self._told(sample), heard)
        if found["wer"].value is None:
            raise JudgeFailed(f"{self.asr} gave no transcript: {found['wer'].reason}")
        return {_PREFIX + name: score for name, score in found.items()}

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """No word understood."""
        return {_PREFIX + name: score for name, score in self._rate().worst(self._told(sample)).items()}

    def problem(self, sample: Sample) -> str | None:
        """Neither a target nor an input field with a text."""
        return trouble(texts, self._told(sample))

    def _rate(self) -> ErrorRate:
        return ErrorRate("wer", self.normaliser)

    def _told(self, sample: Sample) -> Sample:
        target = sample.target
        if isinstance(target, Mapping) and "text" in target:
            target = target["text"]
        if target is None or isinstance(target, Mapping):
            target = sample.input.get(self.text)
        return replace(sample, target=target)


def make(**options: Any) -> RoundTrip:
    """Build from options; raises ValueError naming the known ones."""
    return build(RoundTrip, options)
