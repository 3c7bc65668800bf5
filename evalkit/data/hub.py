"""Records from the Hugging Face hub, or from local files, through the `datasets` library: pinned and streamed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from evalkit.core.errors import ConfigError, MissingComponent, Problem
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.data._files import DataFile, expand, fingerprint, media_type
from evalkit.data._records import Media, Record, plain

EXTRA = "hf"

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_BUILDERS = frozenset({"json", "csv", "parquet", "text", "arrow", "xml", "imagefolder", "audiofolder"})
# Connect, read, write, pool (seconds): the library itself would retry for 23 seconds before it says "offline".
_REACH: Any = (0.9, 10.0, 10.0, 0.9)


@dataclass(frozen=True, slots=True)
class Hub:
    """A data set by its hub name at one commit, or a local folder, or a local builder (`json`...) with `data_files`.

    `config` is the configuration's name, `split` the split. A hub name needs `revision`, 40 hex digits: branches and
    tags can move. Class labels become their names, pictures and recordings stay encoded.
    """

    path: str
    split: str = "test"
    config: str | None = None
    revision: str | None = None
    data_files: str | tuple[str, ...] | None = None
    root: str | Path = "."

    def __post_init__(self) -> None:
        if self._local():
            files = (self.data_files,) if isinstance(self.data_files, str) else self.data_files or ()
            if self.path in _BUILDERS and not files:
                raise ValueError(f"path {self.path!r} reads local files: name them in data_files")
            if any("://" in file or file.startswith(("/", "~")) or ".." in Path(file).parts for file in files):
                raise ValueError("data_files must be local paths inside the suite's folder")
        elif self.revision is None or not _COMMIT.match(self.revision):
            was = "is missing" if self.revision is None else f"is {self.revision!r}"
            raise ValueError(f"revision {was}; pin {self.path!r} to a commit (40 hex digits): branches and tags move")

    def _local(self) -> bool:
        return self.path in _BUILDERS or Path(self.root, self.path).is_dir()

    def records(self) -> Iterator[Record | Problem]:
        """Stream the rows. Raises MissingComponent without the library, ConfigError when the set cannot be read."""
        library = _library()
        shown = f"hub:{self.path}:{self.split}"
        try:
            rows = self._load(library)
            for number, row in enumerate(rows, start=1):
                yield _record(row, shown, number)
        except (ConfigError, GeneratorExit):
            raise
        except Exception as error:  # the library and what it reads with raise every kind of error
            said = str(error).strip().split("\n")[0] or type(error).__name__
            offline = library.config.HF_HUB_OFFLINE and not self._local()
            hint = "HF_HUB_OFFLINE is set; unset it, or load the set into the local cache first" if offline else None
            raise ConfigError([Problem(f"cannot be read: {said}", shown, hint=hint)]) from error

    def _load(self, library: Any) -> Iterator[Mapping[str, Any]]:
        if self._local():
            where = self.path if self.path in _BUILDERS else str(Path(self.root, self.path))
            files = [str(file.path) for file in self._files()] if self.data_files else None
            # A builder puts files without a split's name under train.
            given = {self.split: files} if files else None
            loaded = library.load_dataset(where, name=self.config, data_files=given, split=self.split, streaming=True)
        else:
            self._reach(library)
            options = {"name": self.config, "data_files": self.data_files and list(self._patterns())}
            loaded = library.load_dataset(
                self.path, **options, split=self.split, revision=self.revision, streaming=True
            )
        return _readable(library, loaded)

    def _patterns(self) -> tuple[str, ...]:
        return (self.data_files,) if isinstance(self.data_files, str) else self.data_files or ()

    def _reach(self, library: Any) -> None:
        if library.config.HF_HUB_OFFLINE:
            return
        hub = import_module("huggingface_hub")
        try:
            hub.HfApi().dataset_info(self.path, revision=self.revision, timeout=_REACH)
        except Exception as error:  # HTTP library, hub library and operating system each have their own
            said = str(error).strip().split("\n")[0]
            what = f"{self.path} at {str(self.revision)[:12]} cannot be had from the hub: {said}"
            hint = "check the name and the network; with HF_HUB_OFFLINE=1 only the local cache is used"
            raise ConfigError([Problem(what, hint=hint)]) from error

    def _files(self) -> list[DataFile]:
        if self.data_files:
            return [file for pattern in self._patterns() for file in expand(self.root, pattern)]
        folder = Path(self.root, self.path)
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return [DataFile(path, os.path.normpath(path)) for path in found]

    def fingerprint(self) -> str:
        """Local files' bytes; for the hub, name and commit, so that a snapshot opens again without a network."""
        if self._local():
            return fingerprint(self._files())
        return digest([self.path, self.revision])

    def describe(self) -> Mapping[str, Any]:
        """Source, name, configuration, split and commit."""
        files = self.data_files and list(self._patterns())
        chosen = {"config": self.config, "split": self.split, "revision": self.revision, "data_files": files}
        return {"source": "hub", "path": self.path, **chosen}


def _library() -> Any:
    try:
        library: Any = import_module("datasets")
        constants: Any = import_module("huggingface_hub.constants")
    except ImportError as error:
        raise MissingComponent("the datasets library is not installed: pip install 'evalkit[hf]'") from error
    # A folder called datasets also imports, as an empty namespace package.
    if not hasattr(library, "load_dataset"):
        raise MissingComponent("the datasets library is not installed: pip install 'evalkit[hf]'")
    constants.HF_HUB_DISABLE_TELEMETRY = True
    library.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    library.disable_progress_bars()
    return library


def _readable(library: Any, loaded: Any) -> Iterator[Mapping[str, Any]]:
    features = loaded.features or {}
    classes = {name: kind.names for name, kind in features.items() if isinstance(kind, library.ClassLabel)}
    for name, kind in features.items():
        if isinstance(kind, (library.Image, library.Audio)):
            loaded = loaded.cast_column(name, type(kind)(decode=False))
    for row in loaded:
        yield {**row, **{name: _label(names, row[name]) for name, names in classes.items()}}


def _label(names: list[str], number: int | None) -> str | None:
    """The class's name; None where the row has no label, which the library writes as -1."""
    return None if number is None or number < 0 else names[number]


def _record(row: Mapping[str, Any], shown: str, number: int) -> Record | Problem:
    try:
        return Record({name: _value(value) for name, value in row.items()}, shown, number)
    except ValueError as error:
        return Problem(str(error), shown, number)


def _value(value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) == {"bytes", "path"} and isinstance(value["bytes"], bytes):
        return Media(data=value["bytes"], media_type=media_type(value["path"], value["bytes"]))
    return plain(value)


def make(**options: Any) -> Hub:
    """Options: `path`, `split`, `config`, `revision`, `data_files`, `root`."""
    return build(Hub, options)
