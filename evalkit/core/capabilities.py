"""What a candidate can do beyond answering, found by its methods: `isinstance` on a Protocol costs 20 us a time."""

from __future__ import annotations

from typing import cast

from evalkit.core.types import Batches, Candidate, Closes, Fits, Sends


def sending(candidate: Candidate | None) -> Sends | None:
    """The candidate as one that sends exact requests, or None."""
    return cast("Sends", candidate) if hasattr(candidate, "send") and hasattr(candidate, "request") else None


def batching(candidate: Candidate | None) -> Batches | None:
    """The candidate as one that answers many samples at once, or None."""
    return cast("Batches", candidate) if hasattr(candidate, "answer_batch") else None


def fitting(candidate: Candidate | None) -> Fits | None:
    """The candidate as one that learns, or None."""
    return cast("Fits", candidate) if hasattr(candidate, "fit") else None


def closing(candidate: Candidate | None) -> Closes | None:
    """The candidate as one that holds connections or processes, or None."""
    return cast("Closes", candidate) if hasattr(candidate, "close") else None
