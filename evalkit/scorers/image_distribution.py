"""How far the set of answered pictures is from a reference set: FID and KID from features that the user computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.core.fold import Fold, Whole
from evalkit.core.options import build
from evalkit.core.types import Context, Metric, Response, Sample, Score
from evalkit.scorers import _vectors
from evalkit.scorers._base import OneAnswer, choose, unscorable
from evalkit.scorers._drawn import no_answer
from evalkit.scorers._folds import Columns, Floats

NAMES = ("fid", "kid")
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Distance(OneAnswer):
    """Distance of the features of all answered pictures from those of a reference set, over the whole suite.

    `name` = fid: |m1 - m2|^2 + Tr(S1 + S2 - 2 sqrt(S1 S2)) of means and covariances (ddof 1, as np.cov), Heusel et al.
    2017; it is biased upwards for small sets, so compare only equal numbers of pictures (the n beside it). `name` =
    kid: the unbiased squared maximum mean discrepancy under (x.y / d + 1)^3, Binkowski et al. 2018; it may be below 0.

    `path` = an .npz file (relative to where evalkit runs) with `images` [n, d] and `images_ids`, `references` [m, d]
    and `references_ids`. `by` = what pictures are filed under: file (SHA-256 of the answered file) or sample (its id:
    for one candidate only). A single picture has no distance: its value is the squared distance of its features to the
    mean of the references. Pictures without features are not scorable, and no worst value exists. Extractor, resizing
    and JPEG change the numbers: say which made the features. The file's content is part of the scorer's version.
    """

    name: str
    path: str
    by: str = "file"

    def __post_init__(self) -> None:
        choose("by", self.by, _vectors.KEYS)
        if len(_load(self.path).tables["references"].rows) < _FEWEST:
            raise ValueError(f"{self.path} has fewer than {_FEWEST} references, which have no covariance")

    @property
    def version(self) -> int:  # type: ignore[override]
        """Of the content of the file."""
        return _load(self.path).number

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """`fid` or `kid`, lower is better."""
        fold = Fold(across=Whole(partial(_FOLDS[self.name], path=self.path)))
        low = 0.0 if self.name == "fid" else None
        return (
            Metric(
                self.name,
                "rank",
                higher_is_better=False,
                bounds=(low, None),
                fold=fold,
                on_error="undefined",
                primary=True,
            ),
        )

    async def score(self, sample: Sample, responses: Sequence[Response], ctx: Context) -> Mapping[str, Score]:  # noqa: ARG002 - the protocol's signature
        """Find the row of the picture's features."""
        reason = no_answer(responses[0])
        if reason is not None:
            return unscorable(self.metrics, reason)
        tables = _load(self.path).tables
        key = _vectors.key_of(self.by, sample, responses[0])
        row = None if key is None else tables["images"].row(key)
        if row is None:
            return unscorable(self.metrics, f"{self.path} has no features for the picture {str(key)[:16]}")
        gap = tables["images"].vectors[row] - tables["references"].vectors.mean(axis=0)
        return {self.name: Score(float(gap @ gap), {"row": float(row)})}


def _load(path: str) -> _vectors.Given:
    return _vectors.load(path, ("images", "references"))


def _rows(columns: Columns, weights: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """The different rows of features that were answered, and how often each counts, [B, k]."""
    there = ~np.isnan(columns["row"]) if "row" in columns else np.zeros(weights.shape[1], dtype=bool)
    rows, places = np.unique(columns["row"][there].astype(np.intp) if there.any() else [], return_inverse=True)
    counted = np.zeros((weights.shape[0], len(rows)))
    np.add.at(counted.T, places.ravel(), weights[:, there].T)
    return rows.astype(np.intp), counted


def fid(columns: Columns, weights: Floats, *, path: str) -> Floats:
    """Frechet distance of two Gaussians, [B]; NaN where fewer than two different pictures have weight.

    The trace of the root of S1 S2 is the sum of the singular values of the product of the two centred sets, which needs
    no d x d matrix. Pictures that are drawn several times count as often in mean and covariance; the divisor n / (n -
    1) is that of the different ones.
    """
    rows, counted = _rows(columns, weights)
    if len(rows) < _FEWEST:
        return np.full(weights.shape[0], np.nan)
    features = _load(path).tables["images"].vectors[rows]
    mean, trace, product = _reference(path, tuple(rows.tolist()))
    norms = (features**2).sum(axis=1)
    return np.array([_fid(w, features, (mean, trace, product), norms) for w in counted])


def _fid(weight: Floats, features: Floats, reference: tuple[Floats, float, Floats], norms: Floats) -> float:
    mean, trace, product = reference
    different = int((weight > 0).sum())
    if different < _FEWEST:
        return float("nan")
    share = weight / weight.sum()
    unbiased = different / (different - 1)
    own = share @ features
    spread = unbiased * max(0.0, float(share @ norms - own @ own))
    centred = np.sqrt(share * unbiased)[:, None] * (product - share @ product)
    root = np.linalg.svd(centred, compute_uv=False).sum()
    return max(0.0, float((own - mean) @ (own - mean) + spread + trace - 2 * root))


@lru_cache(maxsize=4)
def _reference(path: str, rows: tuple[int, ...]) -> tuple[Floats, float, Floats]:
    """Mean and trace of the covariance of the references, and the pictures times their centred rows, made narrow."""
    tables = _load(path).tables
    references = tables["references"].vectors
    mean = references.mean(axis=0)
    centred = (references - mean) / np.sqrt(len(references) - 1)
    product = tables["images"].vectors[list(rows)] @ centred.T
    if product.shape[1] > product.shape[0]:
        # The same singular values in n columns: the rest is a rotation.
        product = np.asarray(np.linalg.qr(product.T, mode="r")).T
    return mean, float((centred**2).sum()), product


def kid(columns: Columns, weights: Floats, *, path: str) -> Floats:
    """Unbiased squared MMD with the cubic kernel, [B]; pairs of a picture with itself are left out; NaN below two."""
    rows, counted = _rows(columns, weights)
    if len(rows) < _FEWEST:
        return np.full(weights.shape[0], np.nan)
    tables = _load(path).tables
    images, references = tables["images"].vectors[rows], tables["references"].vectors
    within, between = _kernel(images, images), _kernel(images, references).mean(axis=1)
    np.fill_diagonal(within, 0.0)
    own = _kernel(references, references)
    m = len(references)
    rest = (own.sum() - np.trace(own)) / (m * (m - 1))
    total = counted.sum(axis=1)
    pairs = total**2 - (counted**2).sum(axis=1)
    out = np.full(len(counted), np.nan)
    good = pairs > 0
    some = counted[good]
    out[good] = ((some @ within) * some).sum(axis=1) / pairs[good] + rest - 2 * (some @ between) / total[good]
    return out


def _kernel(one: Floats, other: Floats) -> Floats:
    return np.asarray((one @ other.T / one.shape[1] + 1) ** 3)


_FOLDS: dict[str, Callable[..., Floats]] = {"fid": fid, "kid": kid}


def make(name: str, **options: Any) -> Distance:
    """Build by name from options; raises ValueError naming the known ones, and for a file that cannot be used."""
    return build(Distance, {**options, "name": name})
