"""Reasoning models: a problem with one checkable answer in, the answer after as much thinking as it takes out."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="reasoning",
    title="Reasoning models",
    input_fields={
        "text": "the problem",
        "messages": "a conversation instead of a text: [{role, content}], the last one from the user",
        "image": "a figure that belongs to the problem, as a path or blob reference",
    },
    output="text that ends in the answer; reasoning is kept apart and never scored",
    scorers=(
        "math_equal",
        "numeric",
        "reasoning_tokens",
        "cost_per_solved",
        "solved_per_1k_tokens",
        "solved_within@1000",
        "latency",
        "cost",
    ),
    baselines=("arithmetic_solver", "rule_solver"),
    cost_unit="tokens",
)


def make() -> Family:
    """The family."""
    return FAMILY
