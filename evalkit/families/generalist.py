"""Generalist language models: text (or messages, images, audio) in, text or JSON out."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="generalist",
    title="Generalist language models",
    input_fields={
        "text": "what the model is asked about; the default prompt is this text alone",
        "messages": "a conversation instead of a text: [{role, content}], the last one from the user",
        "image": "a picture, as a path or blob reference",
        "audio": "a recording, as a path or blob reference",
    },
    output="text, or JSON where the task has a schema",
    scorers=("exact_match", "json_valid", "json_fields", "refusal", "length", "latency", "cost"),
    baselines=("keyword", "tfidf_linear", "nearest_centroid", "majority", "rule_extractor"),
    cost_unit="tokens",
)


def make() -> Family:
    """The family."""
    return FAMILY
