"""What scorers of one answer share: defaults, worst scores, and the way from a response to a judgement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers._answers import answer_text

Scores = dict[str, Score]


class OneAnswer:
    """Base of scorers of one answer; a subclass is a frozen slotted dataclass whose fields are its options."""

    __slots__ = ()
    takes: ClassVar[Literal["one", "pair", "repeats"]] = "one"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ()
    heavy: ClassVar[bool] = False

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The names that the scorer emits, its main one first."""
        raise NotImplementedError

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """The scores of a response, by metric."""
        raise NotImplementedError

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:  # noqa: ARG002 - the protocol's signature
        """Score one answer; no answer is a score without a value, with the reason."""
        return self.mark(sample, responses[0])

    def worst(self, sample: Sample) -> Mapping[str, Score]:  # noqa: ARG002 - the protocol's signature
        """The declared worst value per metric; value None where no worst exists."""
        return {m.name: Score(None if m.on_error == "undefined" else m.on_error) for m in self.metrics}

    def problem(self, sample: Sample) -> str | None:  # noqa: ARG002 - for subclasses
        """What makes this sample impossible to score (a wrong target type), or None."""
        return None


class TextScorer(OneAnswer):
    """Base of scorers of the answer's text: `judge` gets it without think blocks; no answer is unscorable."""

    __slots__ = ()

    def judge(self, sample: Sample, text: str) -> Mapping[str, Score]:
        """The scores of an answer; raises ValueError for a target of the wrong type."""
        raise NotImplementedError

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Judge the answer's text; a response without an answer is not scorable, with the reason."""
        text, reason = answer_text(response)
        return unscorable(self.metrics, reason) if text is None else self.judge(sample, text)


def unscorable(metrics: Iterable[Metric], reason: str | None) -> Scores:
    """No value for any metric, with the reason."""
    score = Score(None, reason=reason)
    return {metric.name: score for metric in metrics}


def trouble(read: Callable[[Sample], Any], sample: Sample) -> str | None:
    """What reading a sample's target complains about, or None."""
    try:
        read(sample)
    except ValueError as error:
        return str(error)
    return None


def listed(scorer: object, *options: str) -> None:
    """Make each option a tuple of texts, also where one text was given; raises ValueError for anything else."""
    for option in options:
        value = getattr(scorer, option)
        if isinstance(value, str):
            object.__setattr__(scorer, option, (value,))
        elif not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"{option}={value!r} must be text or a list of texts")


def choose(option: str, value: str, known: Iterable[str]) -> None:
    """Raise ValueError that names the known values when an option has another one."""
    names = tuple(known)
    if value not in names:
        raise ValueError(f"{option}={value!r} is unknown; known: {', '.join(names)}")
