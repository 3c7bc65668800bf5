"""What a candidate can do beyond answering, found by its methods: `isinstance` on a Protocol costs 20 us a time."""

from __future__ import annotations

from typing import Any, cast

from evalkit.core.types import (
    Batches,
    Candidate,
    Closes,
    Fits,
    FitsAsking,
    Generation,
    LearnsFirst,
    Message,
    Sample,
    Sends,
)


def sending(candidate: Candidate | None) -> Sends | None:
    """The candidate as one that sends exact requests, or None."""
    return cast("Sends", candidate) if hasattr(candidate, "send") and hasattr(candidate, "request") else None


def batching(candidate: Candidate | None) -> Batches | None:
    """The candidate as one that answers many samples at once, or None."""
    return cast("Batches", candidate) if hasattr(candidate, "answer_batch") else None


def fitting(candidate: Candidate | None) -> Fits | None:
    """The candidate as one that learns, or None."""
    return cast("Fits", candidate) if hasattr(candidate, "fit") else None


def fitting_by_asking(candidate: Candidate | None) -> FitsAsking | None:
    """The candidate as one that asks others while it learns, or None."""
    return cast("FitsAsking", candidate) if hasattr(candidate, "fit_asking") else None


def learning_first(candidate: Candidate | None) -> LearnsFirst | None:
    """The candidate as one that is to learn before the time of its answers counts, or None."""
    return cast("LearnsFirst", candidate) if hasattr(candidate, "learn_first") else None


def learns(candidate: Candidate | None) -> bool:
    """Whether it must learn before it answers."""
    return fitting(candidate) is not None or fitting_by_asking(candidate) is not None


def needed(scorer: Any) -> tuple[str, ...]:
    """The names of the candidates that a scorer asks; none for most."""
    return tuple(getattr(scorer, "needs", ()))


def conversing(candidate: Candidate, generation: Generation | None = None) -> Candidate:
    """The candidate as one that answers `input.messages` as they stand, with `generation` over its own parameters.

    A candidate that is no chat comes back as it is: it reads whatever else the sample's input has.
    """
    change = getattr(candidate, "conversing", None)
    return candidate if change is None else cast("Candidate", change(generation))


def conversation(candidate: Candidate, sample: Sample) -> list[Message]:
    """The messages that a chat is asked about a sample; none for a candidate that is no chat.

    Raises ValueError when they cannot be made of the sample.
    """
    messages = getattr(candidate, "messages", None)
    return [] if messages is None else list(messages(sample))


def closing(candidate: Candidate | None) -> Closes | None:
    """The candidate as one that holds connections or processes, or None."""
    return cast("Closes", candidate) if hasattr(candidate, "close") else None
