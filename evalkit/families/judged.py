"""Text that only a reader can grade: summaries, rewritings and other free answers, judged by models."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="judged",
    title="Judged text",
    input_fields={
        "text": "the source that is worked on",
        "instruction": "what is to be done with it",
    },
    output="text",
    scorers=("rouge", "chrf", "bleu", "ter", "refusal", "length", "latency", "cost"),
    baselines=("lead_summary", "extractive_summary", "lexical_judge"),
    cost_unit="tokens",
    required=("text",),
    target_types=(str, list),
)


def make() -> Family:
    """The family."""
    return FAMILY
