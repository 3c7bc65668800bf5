"""Vision-language models and OCR: a picture and a request in; fields, a short answer or the text out."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="vision",
    title="Vision-language models and OCR",
    input_fields={
        "image": "the picture (PNG, JPEG, GIF, WebP), as a path or blob reference",
        "question": "what is asked about the picture; the answer is short",
        "fields": "what is to be read from the picture instead: names with their descriptions; the answer is JSON",
        "text": "any other request; with a picture alone its whole text is wanted",
    },
    output="a short answer, a JSON object of the fields, or the text of the picture",
    scorers=("relaxed_accuracy", "anls", "json_fields", "cer", "refusal", "latency", "cost"),
    baselines=("tesseract_rules", "rapidocr_rules"),
    cost_unit="images",
    required=("image",),
)


def make() -> Family:
    """The family."""
    return FAMILY
