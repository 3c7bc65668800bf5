"""Masks in every form that services answer with, as label arrays [h, w] where 0 is the ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.core.media import MAX_PIXELS
from evalkit.core.types import Blobs, Response, Sample
from evalkit.scorers import _pictures
from evalkit.scorers._answers import answer_json
from evalkit.scorers._targets import kind

Labels = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
_MOST_OBJECTS = 10_000
_MOST_WORK = 500_000_000
_WRAPPED = ("mask", "masks", "segmentation")


def size_of(target: Any) -> tuple[int, int]:
    """Height and width of a target's mask: its `size`, or that of its run lengths. Raises ValueError without one."""
    said = target.get("size") if isinstance(target, Mapping) else None
    if said is None and isinstance(target, Mapping):
        inner = _unwrapped(target)
        said = inner.get("size") if isinstance(inner, Mapping) else None
    if said is None:
        raise ValueError("the target has no `size: [height, width]`; a failed answer counts as that many wrong pixels")
    return _size(said)


def check_target(sample: Sample) -> tuple[int, int]:
    """Height and width of the target's mask. Raises ValueError for a target without a mask or size."""
    _inner(sample.target)
    return size_of(sample.target)


def target_mask(sample: Sample, blobs: Blobs) -> Labels:
    """The target's labels; raises ValueError for a mask that cannot be read or is not of the size that it says."""
    high, wide = size_of(sample.target)
    mask = _answered(_inner(sample.target), (high, wide), blobs, "the target's mask")
    if mask.shape != (high, wide):
        raise ValueError(f"the target's mask is {_shape(mask)}, but its size says {wide} x {high}")
    return mask


def answer_mask(response: Response, size: tuple[int, int], blobs: Blobs) -> tuple[Labels | None, str | None]:
    """The answered labels and None, or None and why there are none.

    Taken are a stored picture (palette or grey values are labels), {"size": [h, w], "counts": runs} of COCO, a list of
    either (one object each, the last on top), each also as {"mask": ...}, and the JSON text of these. An empty list
    is a mask without objects.
    """
    value, reason = answer_json(response)
    if reason is not None:
        return None, reason
    try:
        mask = _answered(value, size, blobs)
    except ValueError as error:
        return None, str(error)
    if mask.shape != size:
        return None, f"the mask is {_shape(mask)}, the picture {size[1]} x {size[0]}"
    return mask, None


def labels(value: Any, blobs: Blobs, what: str = "the mask") -> Labels:
    """Labels [h, w] of a stored picture or of run lengths; raises ValueError, beginning with `what`, for all else."""
    if _pictures.is_reference(value):
        return _of_picture(_pictures.read(value, blobs, what), what)
    if isinstance(value, Mapping) and "counts" in value:
        return runs(value)
    raise ValueError(f"{what} is {kind(value)}; a picture or run lengths (size, counts) are needed")


def runs(value: Mapping[str, Any]) -> Bools:
    """Booleans [h, w] of COCO's run lengths: column by column, zeros first, as numbers or in their compressed text.

    Raises ValueError for counts that do not fill the size exactly, and for more than 50 million pixels.
    """
    high, wide = _size(value.get("size"))
    counts = value["counts"]
    if isinstance(counts, str):
        counts = _uncompressed(counts)
    if not isinstance(counts, (list, tuple)) or not all(type(n) is int and n >= 0 for n in counts):
        raise ValueError("counts must be a list of whole numbers >= 0, or their compressed text")
    if sum(counts) != high * wide:
        raise ValueError(f"the run lengths cover {sum(counts)} pixels; {wide} x {high} = {high * wide} are needed")
    ones = np.arange(len(counts)) % 2 == 1
    return np.repeat(ones, counts).reshape(wide, high).T


def foreground(mask: Labels) -> Bools:
    """Where anything but ground is."""
    return mask if mask.dtype == np.bool_ else mask != 0


def _inner(target: Any) -> Any:
    if not isinstance(target, Mapping):
        raise ValueError(f"the target is {kind(target)}; an object with a `mask` is needed")  # noqa: TRY004 - bad data
    inner = _unwrapped(target)
    if not all(map(_is_mask, map(_unwrapped, inner) if isinstance(inner, (list, tuple)) else [inner])):
        raise ValueError('the target has no mask: {"mask": {"$file": ...}, "size": [h, w]} or run lengths are needed')
    return inner


def _is_mask(value: Any) -> bool:
    return _pictures.is_reference(value) or (isinstance(value, Mapping) and "counts" in value)


def _unwrapped(value: Any) -> Any:
    """What stands under `mask`, `masks` or `segmentation`, else the value."""
    return next((value[name] for name in _WRAPPED if name in value), value) if isinstance(value, Mapping) else value


def _answered(value: Any, size: tuple[int, int], blobs: Blobs, what: str = "the mask") -> Labels:
    inner = _unwrapped(value)
    return _stacked(inner, size, blobs) if isinstance(inner, (list, tuple)) else labels(inner, blobs, what)


def _stacked(found: Sequence[Any], size: tuple[int, int], blobs: Blobs) -> Labels:
    if len(found) > _MOST_OBJECTS or len(found) * size[0] * size[1] > _MOST_WORK:
        raise ValueError(f"{len(found)} masks of {size[1]} x {size[0]} are too many to be laid on top of each other")
    whole = np.zeros(size, dtype=np.uint16)
    for place, item in enumerate(found, start=1):
        mask = foreground(labels(_unwrapped(item), blobs, f"mask {place}"))
        if mask.shape != size:
            raise ValueError(f"mask {place} is {_shape(mask)}, the picture {size[1]} x {size[0]}")
        whole[mask] = _own_label(item, place)
    return whole


def _own_label(item: Any, place: int) -> int:
    said = item.get("label", place) if isinstance(item, Mapping) else place
    if type(said) is not int or not 0 < said <= np.iinfo(np.uint16).max:
        raise ValueError(f"the label of mask {place} is {said!r:.40}; a whole number from 1 to 65535 is needed")
    return said


def _of_picture(data: bytes, what: str) -> Labels:
    image = _pictures.decoded(data, what)
    values = np.asarray(image)
    if values.ndim == 3 and "A" in image.getbands():
        values = values[..., :-1]
    if values.ndim == 3:
        if (values != values[..., :1]).any():
            raise ValueError(f"{what} is a colour picture; labels are grey values or indexes of a palette")
        values = values[..., 0]
    return values


def _size(value: Any) -> tuple[int, int]:
    good = isinstance(value, (list, tuple)) and len(value) == 2 and all(type(n) is int and n > 0 for n in value)
    if not good:
        raise ValueError(f"size is {value!r:.60}; [height, width] in pixels is needed")
    high, wide = value
    if high * wide > MAX_PIXELS:
        raise ValueError(f"size declares {wide} x {high} pixels; more than {MAX_PIXELS:,} are not decoded")
    return high, wide


def _shape(mask: Labels) -> str:
    return f"{mask.shape[1]} x {mask.shape[0]}"


def _uncompressed(text: str) -> list[int]:
    """Counts of COCO's compressed text: five bits a character from code 48 on, a sixth for "more follows".

    From the fourth count on, each is stored as the difference to the one two before it.
    """
    counts: list[int] = []
    number, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError(f"the compressed counts hold {character!r}, or a number without end")
        number |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            number -= 1 << shift
        counts.append(number + counts[-2] if len(counts) > 2 else number)
        number, shift = 0, 0
    if shift:
        raise ValueError("the compressed counts end within a number")
    return counts
