"""Retrieval-augmented generation: a question in, an answer with citations out, or the statement that there is none."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="rag",
    title="Retrieval-augmented generation",
    input_fields={
        "question": "what is asked",
        "passages": "[{id, title, text}], what a reader is shown; the system puts them there",
        "text": "question and passages as one text, for chat models; the system puts it there",
    },
    output='{"answer": text, or null where the documents hold none, "citations": [passage ids]}',
    scorers=(
        "rag_answer",
        "citations",
        "abstention",
        "recall@5(empty='skip')",
        "ndcg@10(empty='skip')",
        "latency",
        "cost",
    ),
    baselines=("extractive_reader",),
    cost_unit="tokens",
    required=("question",),
    target_types=(dict,),
)


def make() -> Family:
    """The family."""
    return FAMILY
