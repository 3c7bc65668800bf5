"""Feature vectors that a user computed: rows of an .npz file by name, checked when the scorer is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from evalkit.core.keys import digest_bytes
from evalkit.core.types import Response, Sample

Vectors = npt.NDArray[np.float64]
LARGEST = 2_000_000_000
KEYS = ("file", "sample")


@dataclass(frozen=True)
class Table:
    """Vectors [n, d] by name."""

    rows: dict[str, int]
    vectors: Vectors = field(repr=False)

    def row(self, name: str) -> int | None:
        """Where a name's vector is, or None."""
        return self.rows.get(name)


@dataclass(frozen=True)
class Given:
    """The tables of a file, by their name, and the hash of its bytes."""

    sha256: str
    tables: dict[str, Table]

    @property
    def number(self) -> int:
        """The content as a number, so that other features are another version of the scorer's numbers."""
        return 1 + int(self.sha256[:12], 16)


def load(path: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> Given:
    """The tables `name` (vectors [n, d]) and `name_ids` (texts [n]) of an .npz file; nothing in it is executed.

    Raises ValueError for a file that is not there or is none, a missing table, vectors that are not finite, of
    different dimensions, and for ids that do not fit or occur twice.
    """
    if not isinstance(path, str) or not path:
        raise ValueError("path must name an .npz file of features")
    file = Path(path)
    try:
        stamp = file.stat()
    except OSError as error:
        raise ValueError(f"path={path!r} cannot be read: {error.strerror}") from None
    return _loaded(str(file.resolve()), (stamp.st_mtime_ns, stamp.st_size), needed, optional)


# Every worker and every sample asks again; features are megabytes.
@lru_cache(maxsize=4)
def _loaded(path: str, stamp: tuple[int, int], needed: tuple[str, ...], optional: tuple[str, ...]) -> Given:
    if stamp[1] > LARGEST:
        raise ValueError(f"{path} has {stamp[1]:,} bytes; more than {LARGEST:,} are not read")
    data = Path(path).read_bytes()
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, BadZipFile, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no .npz file of plain arrays: {error}") from None
    there = (*needed, *(name for name in optional if name in arrays))
    tables = {name: _table(path, name, arrays) for name in there}
    dimensions = {table.vectors.shape[1] for table in tables.values()}
    if len(dimensions) > 1:
        raise ValueError(f"{path}: the vectors have different dimensions: {', '.join(map(str, sorted(dimensions)))}")
    return Given(digest_bytes(data), tables)


def _table(path: str, name: str, arrays: dict[str, Any]) -> Table:
    if name not in arrays or f"{name}_ids" not in arrays:
        raise ValueError(f"{path} needs arrays {name} and {name}_ids; it has {', '.join(sorted(arrays)) or 'none'}")
    vectors, ids = np.asarray(arrays[name]), [str(one) for one in np.atleast_1d(arrays[f"{name}_ids"])]
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.number) or len(vectors) != len(ids) or not ids:
        raise ValueError(f"{path}: {name} must be numbers [n, d] with n ids; it is {vectors.shape} with {len(ids)} ids")
    # float16 vectors are compared in double precision, so that the sums do not add to their rounding.
    vectors = vectors.astype(np.float64)
    if not np.isfinite(vectors).all():
        raise ValueError(
            f"{path}: {name} holds NaN or infinity, first for {ids[int(np.argmin(np.isfinite(vectors).all(1)))]!r}"
        )
    if len(set(ids)) != len(ids):
        raise ValueError(f"{path}: an id occurs twice in {name}_ids")
    return Table({ident: row for row, ident in enumerate(ids)}, vectors)


def key_of(by: str, sample: Sample, response: Response) -> str | None:
    """What an answer's vector is filed under: the hash of the answered file, or the sample's id."""
    if by == "sample":
        return sample.id
    output = response.output
    found = output.get("$blob") if isinstance(output, dict) else None
    return found if isinstance(found, str) else None
