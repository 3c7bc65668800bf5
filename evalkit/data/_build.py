"""Turning records into the samples of a snapshot, and gathering everything that is wrong on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evalkit.core.errors import ConfigError, Problem, did_you_mean
from evalkit.core.keys import data_hash, digest, sample_hash
from evalkit.core.types import Blobs, Family, Sample
from evalkit.data._fields import Fields
from evalkit.data._filter import Keep, compile_filter
from evalkit.data._lookup import FieldError
from evalkit.data._media import MEDIA_FIELDS, Attach, unchanged
from evalkit.data._records import Media, Record, Rooted, Source
from evalkit.data._spool import ROW, SCHEMA, Index, Meta, Told, Writer, content_hashes, duplicates, read_meta, sizes

SHOWN_PROBLEMS = 100
SHOWN_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """How records become samples.

    `fields` maps sample parts to columns (None: the source's own mapping), `filter` keeps records, `media` names the
    input fields whose text is a file's path, `family` says which input fields and target types are needed.
    """

    fields: Mapping[str, Any] | None = None
    filter: str | None = None
    media: tuple[str, ...] = MEDIA_FIELDS
    family: Family | None = None

    def key(self) -> list[Any]:
        """What of the recipe decides a snapshot, as JSON values."""
        needs = self.family and [list(self.family.required), [kind.__name__ for kind in self.family.target_types]]
        return [self.fields, self.filter, list(self.media), needs]


@dataclass(slots=True)
class Gathered:
    """Gathered problems: the first `most` in full, the rest as a count."""

    most: int
    kept: list[Problem] = field(default_factory=list)
    more: int = 0

    def add(self, problem: Problem) -> None:
        """Take one more."""
        if len(self.kept) < self.most:
            self.kept.append(problem)
        else:
            self.more += 1

    def all(self) -> tuple[Told, ...]:
        """The problems to store, the last one saying how many were left out."""
        rest = [Problem(f"and {self.more:,} more")] if self.more else []
        return tuple(Told.of(problem) for problem in (*self.kept, *rest))


def spool(source: Source, recipe: Recipe, *, cache: Path, root: Path | None, blobs: Blobs | None) -> tuple[Path, Meta]:
    """The folder and meta of the snapshot: the stored one where nothing changed, else a new one."""
    described = source.describe()
    chosen = recipe if recipe.fields is not None else replace(recipe, fields=described.get("fields"))
    fields, keep = _read(chosen)
    root = root or (source.folder if isinstance(source, Rooted) else Path())
    fingerprint = source.fingerprint()
    key = digest([SCHEMA, fingerprint, described, chosen.key(), str(root.resolve())])
    folder = cache / "snapshots" / key
    known = read_meta(folder, key)
    if known is not None and not known.problems and unchanged(folder / "media.jsonl", root, blobs):
        return folder, known
    with Writer(folder) as writer:
        builder = _Builder(writer, fields, keep, Attach.at(root, chosen.media, blobs), chosen.family)
        for found in source.records():
            builder.take(found)
        writer.flush()
        if source.fingerprint() != fingerprint:
            builder.problems.add(Problem("the data changed while it was read", hint="run the command again"))
        meta = builder.meta(key, described)
        writer.publish(meta)
    return folder, meta


def _read(recipe: Recipe) -> tuple[Fields, Keep | None]:
    problems: list[Problem] = []
    fields, keep = None, None
    try:
        fields = Fields.parse(recipe.fields)
    except ConfigError as error:
        problems += error.problems
    try:
        keep = None if recipe.filter is None else compile_filter(recipe.filter)
    except ValueError as error:
        problems.append(Problem(f"filter: {error}"))
    if problems or fields is None:
        raise ConfigError(problems)
    return fields, keep


class _Builder:
    def __init__(
        self, writer: Writer, fields: Fields, keep: Keep | None, attach: Attach, family: Family | None
    ) -> None:
        self.writer = writer
        self.problems = Gathered(SHOWN_PROBLEMS)
        self.warnings = Gathered(SHOWN_WARNINGS)
        self.read = 0
        self.filtered = 0
        self._fields = fields
        self._keep = keep
        self._attach = attach
        self._family = family
        self._made: dict[str, int] = {}

    def take(self, found: Record | Problem) -> None:
        """Turn one record into a sample, or into problems."""
        self.read += 1
        if isinstance(found, Problem):
            self.problems.add(found)
            return
        try:
            if self._keep is not None and not self._keep(found.fields):
                self.filtered += 1
                return
        except FieldError as error:
            self._wrong(found, FieldError(f"filter: {error}", error.hint))
            return
        sample, errors = self._fields.sample(found.fields)
        for wrong in errors:
            self._wrong(found, wrong)
        if sample is not None:
            self._keep_sample(found, sample)

    def _keep_sample(self, found: Record, sample: Sample) -> None:
        try:
            sample = self._attach.sample(sample)
            _fits(sample, self._family)
            content = _content(sample)
        except FieldError as error:
            self._wrong(found, error, sample.id)
            return
        except RecursionError:
            self._wrong(found, FieldError("the sample is nested too deeply"), sample.id)
            return
        named = sample if sample.id else replace(sample, id=self._make_id(content))
        self.writer.add(named, content, found.file, found.line)
        self.writer.add_media(self._attach.taken())

    def _make_id(self, content: str) -> str:
        ident = content[:12]
        times = self._made[ident] = self._made.get(ident, 0) + 1
        # Equal contents are interchangeable, so counting them keeps ids independent of the file's order.
        return ident if times == 1 else f"{ident}-{times}"

    def _wrong(self, found: Record, error: FieldError, ident: str = "") -> None:
        who = f"sample {ident!r}: " if ident else ""
        self.problems.add(Problem(f"{who}{error}", found.file, found.line or None, error.hint))

    def meta(self, key: str, described: Mapping[str, Any]) -> Meta:
        """What the finished spool says about itself; finds the duplicates."""
        folder, files = self.writer.aside, self.writer.files
        index: Index = np.fromfile(folder / "index.bin", dtype=ROW)
        twice = self._duplicate_ids(folder, index)
        same = self._duplicate_contents(index)
        if not self.read:
            self.warnings.add(Problem("the data set is empty: the source holds no records"))
        elif self.filtered == self.read:
            self.warnings.add(Problem(f"the filter keeps none of {self.read:,} records"))
        with (folder / "ids.txt").open("rb") as ids:
            whole = data_hash(zip((line[:-1].decode("utf-8") for line in ids), content_hashes(index), strict=True))
        return Meta(
            schema=SCHEMA,
            key=key,
            count=self.writer.count,
            data_hash=whole,
            sizes=sizes(folder),
            files=files,
            problems=self.problems.all(),
            warnings=self.warnings.all(),
            duplicate_ids=twice,
            duplicate_contents=same,
            read=self.read,
            filtered=self.filtered,
            source=dict(described),
        )

    def _place(self, row: Any) -> tuple[str, int | None]:
        return self.writer.files[int(row["file"])], int(row["line"]) or None

    def _duplicate_ids(self, folder: Path, index: Index) -> int:
        count = 0
        with (folder / "samples.jsonl").open("rb") as samples:
            for early, late in duplicates(index, ["key"]):
                ident = _id_at(samples, index[late])
                if _id_at(samples, index[early]) != ident:
                    continue
                count += 1
                file, line = self._place(index[late])
                hint = "every sample needs an id of its own"
                said = f"id {ident!r} stands already at {self._said(index[early])}"
                self.problems.add(Problem(said, file, line, hint))
        return count

    def _duplicate_contents(self, index: Index) -> int:
        count = 0
        for early, late in duplicates(index, ["high", "low"]):
            count += 1
            file, line = self._place(index[late])
            self.warnings.add(Problem(f"same content as {self._said(index[early])}", file, line))
        return count

    def _said(self, row: Any) -> str:
        file, line = self._place(row)
        return f"{file}:{line}" if line else file


class _IdOnly(msgspec.Struct):
    id: str


_decode_id = msgspec.json.Decoder(_IdOnly).decode


def _id_at(samples: Any, row: Any) -> str:
    samples.seek(int(row["offset"]))
    return _decode_id(samples.read(int(row["length"]))).id


def _fits(sample: Sample, family: Family | None) -> None:
    if family is None:
        return
    for name in family.required:
        if sample.input.get(name) is None:
            near = did_you_mean(name, sample.input) or f"input has: {', '.join(sample.input) or 'nothing'}"
            raise FieldError(f"input field {name!r} is missing; {family.name} needs it", near)
    if sample.target is None or not family.target_types or _is_one_of(sample.target, family.target_types):
        return
    needed = " or ".join(kind.__name__ for kind in family.target_types)
    kind = type(sample.target).__name__
    raise FieldError(f"the target {sample.target!r:.60} is {kind}; {family.name} needs {needed}")


def _is_one_of(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, kinds) or (float in kinds and isinstance(value, int))


def _content(sample: Sample) -> str:
    try:
        return sample_hash(sample)
    except (ValueError, TypeError) as error:
        named = (("input", sample.input), ("target", sample.target), ("meta", sample.meta))
        found = next((said for name, part in named for said in _culprits(name, part)), str(error))
        raise FieldError(found, "write null for a missing value" if "NaN" in found else None) from None


def _culprits(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _culprits(f"{path}.{name}", item)
    elif isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            yield from _culprits(f"{path}.{place}", item)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{path} is {'NaN' if math.isnan(value) else 'infinite'}, which is not a number that can be stored"
    elif isinstance(value, Media):
        yield f"{path} is a file; only input and target may hold files"
    elif isinstance(value, str):
        if any("\ud800" <= sign <= "\udfff" for sign in value):
            yield f"{path} holds half a surrogate pair, which is not text"
    elif value is not None and not isinstance(value, (bool, int, float)):
        yield f"{path} is of type {type(value).__name__}, which has no JSON form"
