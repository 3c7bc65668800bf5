"""Image generation: a prompt in, a picture out, or an edited one."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="image_generation",
    title="Image generation",
    input_fields={
        "text": "the prompt",
        "size": 'width x height in pixels, as in "256x192"',
        "image": "the picture to edit, as a path or blob reference; without it one is made",
    },
    output="a picture: a reference to a stored PNG, JPEG, GIF or WebP",
    scorers=(
        "image_demands",
        "text_in_image",
        "palette",
        "image_shapes",
        "ssim",
        "psnr",
        "image_size",
        "determinism",
        "seconds_per_image",
        "cost",
    ),
    baselines=("sketch_renderer",),
    cost_unit="images",
    required=("text",),
    target_types=(dict,),
)


def make() -> Family:
    """The family."""
    return FAMILY
