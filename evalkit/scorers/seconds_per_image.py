"""How long a picture takes: all seconds by all pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from evalkit.core.fold import Fold, Sums
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers import _folds
from evalkit.scorers._base import OneAnswer, unscorable
from evalkit.scorers._drawn import no_answer

_METRICS = (
    Metric(
        "seconds_per_image",
        "ratio",
        higher_is_better=False,
        bounds=(0.0, None),
        fold=Fold(across=Sums(partial(_folds.ratio, numerator="seconds", denominator="images"), ("seconds", "images"))),
        on_error="undefined",
        unit="s",
        primary=True,
        fresh_only=True,
    ),
)


@dataclass(frozen=True, slots=True)
class SecondsPerImage(OneAnswer):
    """Wall seconds of all calls / pictures that they made: usage `images`, else the length of a list, else one.

    Measured where evalkit asks: queueing and the way over the network are in it. Reused answers are left out.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`seconds_per_image`, lower is better."""
        return _METRICS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:  # noqa: ARG002 - the base's signature
        """Read what the call measured; an answer without a picture has no time per picture."""
        reason = no_answer(response)
        if reason is not None:
            return unscorable(_METRICS, reason)
        made = len(response.output) if isinstance(response.output, (list, tuple)) else 1
        images = float(response.usage.get("images", made))
        if response.seconds is None:
            return unscorable(_METRICS, "the time was not measured")
        if images <= 0:
            return unscorable(_METRICS, "no picture was made")
        return {"seconds_per_image": Score(response.seconds / images, {"seconds": response.seconds, "images": images})}


def make(**options: Any) -> SecondsPerImage:
    """No options."""
    return build(SecondsPerImage, options)
