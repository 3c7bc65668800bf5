"""What an agent achieved: whether the environment ended in the wanted state, and how many steps it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.core.types import Metric, Response, Sample, Score
from evalkit.scorers._answers import answer_json, answer_text, failure, shown, written
from evalkit.scorers._base import OneAnswer, trouble, unscorable

NAMES = ("end_state", "steps")
_END = (
    Metric("end_state", kind="mean01", bounds=(0.0, 1.0), primary=True),
    Metric("state_match", kind="mean01", bounds=(0.0, 1.0)),
)
_STEPS = (Metric("steps", higher_is_better=False, bounds=(0.0, None), on_error="undefined", unit="steps"),)


def outcome(response: Response) -> tuple[Mapping[str, Any] | None, str | None]:
    """What an agent answered as an object, and the reason when it is none."""
    reason = failure(response)
    if reason is not None:
        return None, reason
    if isinstance(response.output, str):
        text, reason = answer_text(response)
        if text is None:
            return None, reason
    value, reason = answer_json(response)
    return (value, None) if isinstance(value, Mapping) else (None, reason or "the answer is no object with `state`")


@dataclass(frozen=True, slots=True)
class EndState(OneAnswer):
    """1 when the task's end state was reached and every required word was said, else 0 (the reward of tau-bench).

    The answer is an object with `state` (the state itself, or its content hash) and `answer` (the last words); the
    target one with `state` (likewise) and `says` (texts that the words must hold, case apart). `state_match` leaves the
    words out.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`end_state` and `state_match`, rates."""
        return _END

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:
        """Compare states, then look for the words."""
        found, reason = outcome(response)
        if found is None or "state" not in found:
            return unscorable(_END, reason or "the answer has no `state`")
        state, says = _target(sample)
        words = found.get("answer")
        same = _hash(found["state"]) == state
        told = words if isinstance(words, str) else "" if words is None else written(words)
        lacking = [word for word in says if word.casefold() not in told.casefold()]
        wrong = None if same else "the environment ended in another state"
        why = wrong or (f"not said: {', '.join(lacking)}" if lacking else None)
        return {
            "end_state": Score(0.0 if why else 1.0, answer=shown(told), reason=why[:300] if why else None),
            "state_match": Score(float(same), reason=wrong),
        }

    def problem(self, sample: Sample) -> str | None:
        """A target without a state."""
        return trouble(_target, sample)


@dataclass(frozen=True, slots=True)
class Steps(OneAnswer):
    """Mean number of tool calls that an agent made: `steps` of its answer, else the length of `calls`.

    Needs no target.
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`steps`, a mean."""
        return _STEPS

    def mark(self, sample: Sample, response: Response) -> Mapping[str, Score]:  # noqa: ARG002 - the base's signature
        """Read the count."""
        found, reason = outcome(response)
        if found is None:
            return unscorable(_STEPS, reason)
        steps, calls = found.get("steps"), found.get("calls")
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
            steps = len(calls) if isinstance(calls, list) else None
        return unscorable(_STEPS, "steps were not counted") if steps is None else {"steps": Score(float(steps))}


def _hash(state: Any) -> str:
    """A text is a hash already; a state is named by its content."""
    if isinstance(state, str):
        return state
    try:
        return digest(state)
    except (ValueError, TypeError):
        return ""


def _target(sample: Sample) -> tuple[str, Sequence[str]]:
    target = sample.target
    if not isinstance(target, Mapping) or not target.get("state"):
        raise ValueError("the target must be an object with `state`: the wanted end state or its hash")
    says = target.get("says") or []
    if not isinstance(says, list) or not all(isinstance(word, str) for word in says):
        raise ValueError("the target's `says` must be a list of texts")
    found = _hash(target["state"])
    if not found:
        raise ValueError("the target's `state` is no JSON value")
    return found, says


def make(*, name: str, **options: Any) -> EndState | Steps:
    """Build from options; raises ValueError naming the known ones."""
    return build(EndState, options) if name == "end_state" else build(Steps, options)
