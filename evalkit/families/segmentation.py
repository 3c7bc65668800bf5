"""Segmentation: a picture in, a mask of its objects out."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="segmentation",
    title="Segmentation",
    input_fields={
        "image": "the picture, as a path or blob reference",
        "text": "what to segment, for a model that is told",
    },
    output=(
        'a mask of the picture\'s size, 0 for the ground: a PNG, {"size": [h, w], "counts": run lengths} of COCO, '
        "or a list of them, one per object"
    ),
    scorers=("segmentation", "boundary_f", "mask_objects", "latency", "cost"),
    baselines=("otsu", "watershed", "felzenszwalb"),
    cost_unit="images",
    required=("image",),
    target_types=(dict,),
)


def make() -> Family:
    """The family."""
    return FAMILY
