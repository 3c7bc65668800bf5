"""What scorers of answered pictures share: reading them, and prompts that do not ask for what a scorer measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Fold, Sums
from evalkit.core.types import Blobs, Context, Metric, Response, Sample, Score
from evalkit.scorers import _folds, _pictures
from evalkit.scorers._answers import answer_json, answer_text, failure
from evalkit.scorers._base import OneAnswer, trouble, unscorable
from evalkit.scorers._targets import kind

Pixels = npt.NDArray[np.uint8]
_LARGEST_SIDE = 256
_WRAPPED = ("image", "picture", "output")


def over_asked(name: str, **more: Any) -> Metric:
    """A metric whose value over the set is the mean over the samples that ask for it."""
    fold = Fold(across=Sums(partial(_folds.ratio, numerator="sum", denominator="asked"), ("sum", "asked")))
    return Metric(name, kind="ratio", fold=fold, **more)


def asked(value: float, **more: Any) -> Score:
    """The score of a sample that asks for it."""
    return Score(value, {"sum": value, "asked": 1.0}, **more)


def picture_of(response: Response, blobs: Blobs) -> tuple[bytes | None, str | None]:
    """The bytes of the answered picture, or why there is none; the header has been checked, the pixels have not.

    Taken are a reference, {"image": reference}, a list of one of these, and the JSON text of them.
    """
    value, reason = answer_json(response)
    if reason is not None:
        return None, reason
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if isinstance(value, Mapping):
        value = next((value[name] for name in _WRAPPED if name in value), value)
    if not _pictures.is_reference(value):
        return None, f"the answer is {kind(value)}, not a picture"
    try:
        return _pictures.read(value, blobs), None
    except ValueError as error:
        return None, str(error)


def no_answer(response: Response) -> str | None:
    """Why a response holds no answer (error, refusal, nothing, an unclosed think block), or None."""
    reason = failure(response)
    return answer_text(response)[1] if reason is None and isinstance(response.output, str) else reason


def smaller(pixels: Pixels) -> Pixels:
    """Every n-th pixel, so that neither side is longer than 256: for what counts areas."""
    step = -(-max(pixels.shape[:2]) // _LARGEST_SIDE)
    return pixels[::step, ::step]


class Demand(OneAnswer):
    """Base of scorers of what a prompt demands under a field of the target; other samples count nowhere.

    A subclass names the `field`, reads it in `wanted` and compares in `compare`.
    """

    __slots__ = ()
    heavy: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("pillow",)
    field: ClassVar[str] = ""

    def wanted(self, sample: Sample) -> Any:
        """The demand; raises ValueError for a target field of the wrong kind."""
        raise NotImplementedError

    def compare(self, wanted: Any, data: bytes, blobs: Blobs) -> Mapping[str, Score]:
        """The scores of a picture; raises ValueError, with the reason, for one that cannot be scored."""
        raise NotImplementedError

    def asks(self, sample: Sample) -> bool:
        """Whether the sample demands it."""
        return isinstance(sample.target, Mapping) and sample.target.get(self.field) is not None

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:
        """Score the picture; none, or a broken one, is not scorable. A sample that asks for nothing has no value."""
        data, reason = picture_of(responses[0], ctx.blobs)
        if data is None:
            return unscorable(self.metrics, reason)
        if not self.asks(sample):
            return dict.fromkeys((m.name for m in self.metrics), self._nothing())
        try:
            return self.compare(self.wanted(sample), data, ctx.blobs)
        except _pictures.Unreadable as error:
            return unscorable(self.metrics, str(error))

    def worst(self, sample: Sample) -> Mapping[str, Score]:
        """The declared worst value where the sample asks for it, no part in the mean where it does not."""
        wants = float(self.asks(sample) or self.problem(sample) is not None)
        return {
            m.name: Score(None) if m.on_error == "undefined" else Score(m.on_error, self._worst_parts(m, sample, wants))
            for m in self.metrics
        }

    def problem(self, sample: Sample) -> str | None:
        """A target that is no object, or whose field is of the wrong kind."""
        if not isinstance(sample.target, Mapping):
            return f"the target is {kind(sample.target)}; an object of demands is needed"
        return trouble(self.wanted, sample) if self.asks(sample) else None

    def _worst_parts(self, metric: Metric, sample: Sample, wants: float) -> Mapping[str, float]:  # noqa: ARG002 - for subclasses
        return {"sum": float(metric.on_error) * wants, "asked": wants}

    def _nothing(self) -> Score:
        return Score(None, {"sum": 0.0, "asked": 0.0}, reason=f"the prompt asks for no {self.field}")
