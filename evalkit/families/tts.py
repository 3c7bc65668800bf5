"""Speech synthesis: a text in, a recording out."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="tts",
    title="Speech synthesis",
    input_fields={"text": "what is to be said, as it is written"},
    output="a recording (WAV, FLAC, OGG, MP3) as a blob reference",
    scorers=("loudness", "latency", "cost"),
    baselines=("espeak",),
    cost_unit="characters",
    required=("text",),
    target_types=(str, list, dict),
)


def make() -> Family:
    """The family."""
    return FAMILY
