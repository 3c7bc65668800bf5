"""Speech recognition: a recording in, what was said out."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="asr",
    title="Speech recognition",
    input_fields={"audio": "the recording (WAV, FLAC, OGG, MP3), as a path or blob reference"},
    output="the transcript as text; empty where nobody speaks",
    scorers=("wer", "cer", "silence_hallucination", "real_time_factor", "latency", "cost"),
    baselines=("pocketsphinx",),
    cost_unit="seconds",
    required=("audio",),
    target_types=(str, list),
)


def make() -> Family:
    """The family."""
    return FAMILY
