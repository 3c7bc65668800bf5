"""CLIPScore and RefCLIPScore from vectors that the user computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers import _vectors
from evalkit.scorers._base import OneAnswer, choose, unscorable
from evalkit.scorers._drawn import no_answer

WEIGHT = 2.5
_PLAIN = Metric("clip_score", bounds=(0.0, WEIGHT), primary=True)
_WITH_REFERENCE = Metric("ref_clip_score", bounds=(0.0, WEIGHT))


@dataclass(frozen=True, slots=True)
class ClipScore(OneAnswer):
    """2.5 x max(cosine of picture and text, 0), and its harmonic mean with the reference's (Hessel et al. 2021).

    `path` = an .npz file (relative to where evalkit runs) with `images` [n, d] and `images_ids`, and `texts` with
    `texts_ids` (sample ids); with `references` and `references_ids` (sample ids) also `ref_clip_score`, the harmonic
    mean of the CLIPScore and max(cosine of text and reference, 0). `by` says what pictures are filed under: file
    (SHA-256 of the answered file, right for any number of candidates) or sample (its id: for one candidate only). A
    picture or text without a vector is not scorable; a zero vector has a cosine of 0. The file's content is part of the
    scorer's version. Which model made the vectors, and in which precision, changes the digits: say so beside them.
    """

    path: str
    by: str = "file"

    def __post_init__(self) -> None:
        choose("by", self.by, _vectors.KEYS)
        _load(self.path)

    @property
    def version(self) -> int:  # type: ignore[override]
        """Of the content of the file."""
        return _load(self.path).number

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`clip_score`; with references also `ref_clip_score`."""
        return (_PLAIN, _WITH_REFERENCE) if "references" in _load(self.path).tables else (_PLAIN,)

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:  # noqa: ARG002 - the protocol's signature
        """Look the vectors up and compare them."""
        reason = no_answer(responses[0])
        if reason is not None:
            return unscorable(self.metrics, reason)
        tables = _load(self.path).tables
        key = _vectors.key_of(self.by, sample, responses[0])
        if key is None:
            return unscorable(self.metrics, "the answer is not a stored file, so it has no vector")
        row = tables["images"].row(key)
        if row is None:
            return unscorable(self.metrics, f"{self.path} has no vector for the picture {key[:16]}")
        image, text = tables["images"].vectors[row], _vector(tables["texts"], sample)
        plain = WEIGHT * max(0.0, _cosine(image, text))
        scores = {"clip_score": Score(plain)}
        if "references" in tables:
            other = max(0.0, _cosine(text, _vector(tables["references"], sample)))
            scores["ref_clip_score"] = Score(2 * plain * other / (plain + other) if plain + other else 0.0)
        return scores

    def problem(self, sample: Sample) -> str | None:
        """A sample without a vector for its text, or its reference."""
        for name, table in _load(self.path).tables.items():
            if name != "images" and table.row(sample.id) is None:
                return f"{self.path}: {name}_ids has no {sample.id!r}"
        return None


def _load(path: str) -> _vectors.Given:
    return _vectors.load(path, ("images", "texts"), ("references",))


def _vector(table: _vectors.Table, sample: Sample) -> _vectors.Vectors:
    row = table.row(sample.id)
    if row is None:
        raise ValueError(f"there is no vector for sample {sample.id!r}")
    found: _vectors.Vectors = table.vectors[row]
    return found


def _cosine(one: _vectors.Vectors, other: _vectors.Vectors) -> float:
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.clip(one @ other / length, -1.0, 1.0)) if length else 0.0


def make(**options: Any) -> ClipScore:
    """Build from options; raises ValueError naming the known ones, and for a file that cannot be used."""
    return build(ClipScore, options)
