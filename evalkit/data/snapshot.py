"""A data set as an immutable spool on disk: built once from a source, then opened without reading the source again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evalkit.core.errors import Problem, StoreError, UsageError, did_you_mean
from evalkit.core.keys import canonical_json, data_hash
from evalkit.core.types import Blobs, Sample
from evalkit.data._build import Recipe, spool
from evalkit.data._lookup import FieldError, lookup
from evalkit.data._records import Source
from evalkit.data._spool import ROW, Index, Meta, Written, content_hashes, hash64
from evalkit.data.schedule import Hashes, Indices, Schedule, first, order_hashes, proportional

__all__ = ["Recipe", "Snapshot", "Written", "build"]

_decode = msgspec.json.Decoder(Sample).decode
_read = msgspec.json.Decoder(Written).decode
_NEAR = 10_000
_CHUNK = 1024
_NONE = hash64("stratum", "")


def build(
    source: Source, recipe: Recipe, *, cache: Path, root: Path | None = None, blobs: Blobs | None = None
) -> Snapshot:
    """The snapshot of a source: the stored one when source, recipe and media are unchanged, else read and written anew.

    `root` is the folder that media paths start at and may not leave (default: the source's own). Without `blobs` media
    are referred to but not stored. What is wrong with records stands in `problems`; raises ConfigError for a wrong
    mapping or filter and a source that cannot be read at all, StoreError when the cache cannot be written.
    """
    folder, meta = spool(source, recipe, cache=cache, root=root, blobs=blobs)
    return Snapshot(folder, meta)


class Snapshot:
    """Samples on disk, in the order of their source; an index is a place in that order, from 0.

    Only the index (60 bytes per sample) is mapped; samples are read one by one. Pickles by its path.
    """

    def __init__(self, path: Path, meta: Meta) -> None:
        self.path = path
        self.meta = meta
        self.count = meta.count
        self.data_hash = meta.data_hash
        self.duplicate_ids = meta.duplicate_ids
        self.duplicate_contents = meta.duplicate_contents

    def __len__(self) -> int:
        return self.count

    def __getstate__(self) -> tuple[Path, Meta]:
        return self.path, self.meta

    def __setstate__(self, state: tuple[Path, Meta]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __del__(self) -> None:
        if "_samples" in self.__dict__:
            os.close(self._samples)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What must be mended before this data may be used: at most 100, then a count."""
        return tuple(told.problem() for told in self.meta.problems)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What a reader must know: equal contents, an empty data set, a filter that keeps nothing."""
        return tuple(told.problem() for told in self.meta.warnings)

    @cached_property
    def _samples(self) -> int:
        try:
            return os.open(self.path / "samples.jsonl", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(f"the snapshot {self.path} is gone: {error.strerror}") from error

    @cached_property
    def _index(self) -> Index:
        if not self.count:
            return np.zeros(0, dtype=ROW)
        return np.memmap(self.path / "index.bin", dtype=ROW, mode="r")

    def let_go(self) -> None:
        """Give back the memory of the index, until a sample is asked for again."""
        self.__dict__.pop("_index", None)
        self.__dict__.pop("_by_key", None)

    def _line(self, offset: int, length: int) -> bytes:
        data = os.pread(self._samples, length, offset)
        if len(data) != length:
            raise StoreError(f"the snapshot {self.path} is cut short at byte {offset}; delete it to build it again")
        return data

    def _lines(self, indices: Indices) -> Iterator[tuple[bytes, str]]:
        """The line and the content hash of each sample; looked up in parts, as one row of the index costs as much."""
        for start in range(0, len(indices), _CHUNK):
            rows = self._index[indices[start : start + _CHUNK]]
            places = zip(rows["offset"].tolist(), rows["length"].tolist(), content_hashes(rows), strict=True)
            for offset, length, content in places:
                yield self._line(offset, length), content

    def sample(self, index: int) -> Sample:
        """The sample at an index. Raises IndexError outside 0 .. count - 1."""
        if not 0 <= index < self.count:
            raise IndexError(f"sample {index} of {self.count}")
        row = self._index[index]
        return _decode(self._line(int(row["offset"]), int(row["length"])))

    def picked(self, indices: Indices) -> Iterator[tuple[Sample, str]]:
        """The samples at some indices with their content hashes, in the order of the indices; streamed."""
        for line, content in self._lines(indices):
            yield _decode(line), content

    def samples(self, indices: Iterable[int] | None = None) -> Iterator[Sample]:
        """The samples at some indices, in their order, or all in the order of the source; streamed."""
        if indices is not None:
            yield from map(self.sample, indices)
            return
        with (self.path / "samples.jsonl").open("rb") as lines:
            yield from map(_decode, lines)

    def written(self, indices: Indices) -> Iterator[tuple[str, Written]]:
        """The samples at some indices as they are written: the text of the line, and its parts as JSON; streamed."""
        for line, _ in self._lines(indices):
            yield line.decode("utf-8"), _read(line)

    def hash_of(self, index: int) -> str:
        """The content hash (`core.keys.sample_hash`) of a sample; 32 hex digits."""
        row = self._index[index]
        return f"{int(row['high']):016x}{int(row['low']):016x}"

    def id_of(self, index: int) -> str:
        """The id of a sample."""
        return self.sample(index).id

    def ids(self) -> Iterator[str]:
        """All ids, in the order of the source."""
        with (self.path / "ids.txt").open("rb") as lines:
            for line in lines:
                yield line[:-1].decode("utf-8")

    def where(self, index: int) -> tuple[str, int | None]:
        """File and line that a sample was read from; the line is None where there are none."""
        row = self._index[index]
        return self.meta.files[int(row["file"])], int(row["line"]) or None

    @cached_property
    def _by_key(self) -> tuple[Hashes, Indices]:
        keys = np.ascontiguousarray(self._index["key"])
        order = np.argsort(keys, kind="stable").astype(np.int64)
        return keys[order], order

    def index_of(self, ids: Sequence[str]) -> list[int]:
        """The indices of ids, in their order. Raises UsageError naming those that are not there."""
        found = [self._find(ident) for ident in ids]
        if None in found:
            absent = [ident for ident, index in zip(ids, found, strict=True) if index is None]
            near = did_you_mean(absent[0], [ident for ident, _ in zip(self.ids(), range(_NEAR), strict=False)])
            shown = ", ".join(map(repr, absent[:5])) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
            raise UsageError(f"no sample with id {shown}" + (f"; {near}" if near else ""))
        return [index for index in found if index is not None]

    def _find(self, ident: str) -> int | None:
        keys, order = self._by_key
        key = np.uint64(hash64("id", ident))
        for place in range(int(np.searchsorted(keys, key, "left")), int(np.searchsorted(keys, key, "right"))):
            if self.id_of(int(order[place])) == ident:
                return int(order[place])
        return None

    def scheduled(
        self, seed: int, *, limit: int | None = None, ids: Sequence[str] | None = None, stratify: str | None = None
    ) -> Schedule:
        """The order of asking: by `core.keys.order_hash` of (seed, id), so that growth and file order move nothing.

        `ids` keeps these samples only. `limit` keeps the first so many; with `stratify` (see `strata`) every stratum
        is kept in proportion to its size. Raises UsageError for an unknown id, stratum or a negative limit.
        """
        if limit is not None and limit < 0:
            raise UsageError(f"limit must be 0 or more, this is {limit}")
        if ids is None:
            chosen: Indices = np.arange(self.count, dtype=np.int64)
            hashes = order_hashes(seed, self.ids(), self.count)
        else:
            wanted = sorted(set(ids))
            chosen = np.array(self.index_of(wanted), dtype=np.int64)
            hashes = order_hashes(seed, wanted, len(wanted))
        if stratify is None or limit is None:
            places = first(hashes, limit)
        else:
            places = proportional(hashes, self.strata(stratify)[chosen], limit)
        return Schedule(chosen[places], seed, whole=len(places) == self.count)

    def subset_hash(self, schedule: Schedule) -> str:
        """The data hash of the scheduled samples only; equals `data_hash` when all are scheduled."""
        if schedule.whole:
            return self.data_hash
        return self.hash_at(schedule.indices)

    def hash_at(self, indices: Iterable[int]) -> str:
        """`core.keys.data_hash` over the samples at some indices."""
        return data_hash((self.id_of(int(index)), self.hash_of(int(index))) for index in indices)

    def groups(self) -> Hashes:
        """A hash of each sample's group (the sample itself where it has none); shape [count], unsigned 64-bit."""
        return np.ascontiguousarray(self._index["group"])

    def strata(self, by: str) -> Hashes:
        """A hash of each sample's stratum; shape [count], unsigned 64-bit.

        `by` is `target`, `group` or anything that `values` finds; a sample without it is in a stratum of its own kind.
        Raises UsageError when no sample has it.
        """
        if by == "target":
            return np.ascontiguousarray(self._index["label"])
        if by == "group":
            return self.groups()
        read = self.values(by)
        marks = (_NONE if value is None else hash64("stratum", canonical_json(value).decode()) for value in read)
        found = np.fromiter(marks, dtype=np.uint64, count=self.count)
        if self.count and bool(np.all(found == _NONE)):
            raise UsageError(f"stratify: no sample has {by!r}; write target, group, input.x, meta.x or a tag's prefix")
        return found

    def values(self, path: str) -> Iterator[Any]:
        """What every sample has at a path, None where it has nothing there.

        A path is the prefix of a tag (`topic`: what follows in `topic:billing`), else `target`, `group`, `input.x`,
        `meta.x`, or the name of a meta or input field.
        """
        for sample in self.samples():
            tag = next((tag for tag in sample.tags if tag == path or tag.startswith(f"{path}:")), None)
            yield _at(sample, path) if tag is None else tag.removeprefix(path)[1:]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every sample as a row of the store's table `sample`; `cluster` is the group, else the sample's id."""
        for sample, content in zip(self.samples(), content_hashes(self._index), strict=True):
            yield {
                "data_hash": self.data_hash,
                "sample_id": sample.id,
                "sample_hash": content,
                "cluster": sample.id if sample.group is None else sample.group,
                "tags": list(sample.tags),
                "input": sample.input,
                "target": sample.target,
                "meta": sample.meta,
            }


def _at(sample: Sample, path: str) -> Any:
    nouns = {"input": sample.input, "target": sample.target, "group": sample.group, "meta": sample.meta}
    try:
        return lookup({**sample.input, **sample.meta, **nouns}, path)
    except FieldError:
        return None
