"""Embedding models and retrievers: a query in, a ranking of passages out."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="retrieval",
    title="Embeddings and retrieval",
    input_fields={
        "query": "what is looked for, as text",
        "text": "the same, for candidates that read a text",
        "vector": "the query's vector, where vectors are given: numbers, or the base64 of float32",
    },
    output='{"ranking": [[document id, score], ...]} best first, or a list of document ids',
    scorers=(
        "ndcg@10",
        "recall@10",
        "precision@10",
        "mrr@10",
        "map",
        "success@10",
        "hole@10",
        "index",
        "latency",
        "cost",
    ),
    baselines=("bm25", "tfidf_search", "lsa_search", "hybrid", "vector_search"),
    cost_unit="tokens",
    target_types=(dict, list),
)


def make() -> Family:
    """The family."""
    return FAMILY
