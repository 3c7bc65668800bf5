"""The files around a suite: which suites a path means, what they refer to, and that nothing leaves the project."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.config._check import problem_at
from evalkit.config._yaml import Document, read
from evalkit.config.models import Asking, Records, SuiteModel
from evalkit.config.parts import Text, thaw
from evalkit.core.errors import Problem, did_you_mean

NOT_SUITES = ("card.yaml", "evalkit.yaml")
ENDINGS = (".yaml", ".yml")
ONE_FILE = ("jsonl", "csv", "parquet")


def shown(path: Path) -> str:
    """How problems name a file: relative to the working directory where it lies below it."""
    absolute, here = path.resolve(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def suite_files(paths: Iterable[str | Path]) -> tuple[list[Path], list[Problem]]:
    """The suite files that paths mean, each once, folders in sorted order; a path that means none is a problem."""
    files: dict[Path, Path] = {}
    problems: list[Problem] = []
    for path in map(Path, paths):
        found = [path] if path.is_file() else sorted(_below(path)) if path.is_dir() else []
        if not found:
            problems.append(_nothing(path))
        for file in found:
            files.setdefault(file.resolve(), file)
    return list(files.values()), problems


def _below(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix in ENDINGS and file.name not in NOT_SUITES and not hidden and file.is_file():
            yield file


def _nothing(path: Path) -> Problem:
    if path.is_dir():
        return Problem(
            "no suite in this folder", str(path), hint="suites are .yaml files; `evalkit new suite` makes one"
        )
    folder = path.parent
    near = [str(file) for file in _below(folder)] if folder.is_dir() and len(folder.parts) else []
    return Problem("there is no such file or folder", str(path), hint=did_you_mean(str(path), near))


def allowed(file: Path, roots: Sequence[Path]) -> tuple[Path, ...]:
    """Folders that the files of a suite may lie in; the first is its root."""
    if roots:
        return tuple(root.resolve() for root in roots)
    here = Path.cwd().resolve()
    return (here,) if file.resolve().is_relative_to(here) else (file.resolve().parent,)


def schema_file(schema: Mapping[str, Any] | None) -> str | None:
    """The file that a response schema is in, or None when it is written inline."""
    if schema is not None and set(schema) == {"file"} and isinstance(schema["file"], str):
        return str(schema["file"])
    return None


def json_object(text: str) -> dict[str, Any]:
    """A JSON object from text. Raises ValueError for anything else, NaN included."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    value = json.loads(text, parse_constant=refuse)
    if not isinstance(value, dict):
        raise ValueError("a JSON object is needed")  # noqa: TRY004 - one error type for one mistake: a wrong file
    return value


@dataclass(slots=True)
class Reader:
    """Reads the text files that a suite names; gathers `texts` and problems."""

    document: Document
    base: Path
    roots: tuple[Path, ...]
    texts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problems_of(self, model: SuiteModel) -> list[Problem]:
        """Everything wrong with the files that a suite names; fills `texts`."""
        task = model.task
        self._asking(task, "task")
        for name, prompt in task.prompts.items():
            self._asking(prompt, f"task.prompts.{name}")
        self._schema(task.response_schema)
        if model.dataset.card is not None:
            self._card(model.dataset.card)
        self._data(model.dataset, "dataset")
        if model.dataset.corpus is not None:
            self._data(model.dataset.corpus, "dataset.corpus")
        return self.problems

    def _asking(self, asking: Asking, path: str) -> None:
        for name in ("system", "prompt"):
            self._text(getattr(asking, name), f"{path}.{name}")
        for number, message in enumerate(asking.messages):
            for part in message.content:
                self._text(part, f"{path}.messages[{number}].content")

    def _text(self, text: Text | None, path: str) -> None:
        if text is not None and text.file is not None:
            self._read(text.file, path)

    def _read(self, name: str, path: str) -> str | None:
        file = self._file(name, path)
        if file is None:
            return None
        try:
            raw = file.read_bytes()
            self.texts[name] = raw.decode("utf-8-sig").replace("\r\n", "\n")
        except OSError as error:
            self._add(path, f"{name}: {error.strerror or error}")
        except UnicodeDecodeError as error:
            self._add(path, f"{name}: byte {error.start} is not UTF-8", "save the file as UTF-8")
        return self.texts.get(name)

    def _card(self, name: str) -> None:
        file = self._file(name, "dataset.card")
        if file is None:
            return
        document = read(file, shown(file))
        self.problems += document.problems
        if not document.problems and not isinstance(document.data, dict):
            self._add("dataset.card", f"{name} is no card", "a card is a mapping: source, licence, how_made, limits")

    def _schema(self, schema: Mapping[str, Any] | None) -> None:
        if schema is None:
            return
        name = schema_file(schema)
        try:
            text = None if name is None else self._read(name, "task.schema")
            content = thaw(schema) if name is None else None if text is None else json_object(text)
            if content is not None:
                _check_schema(content)
        except ValueError as error:
            self._add("task.schema", f"{name or 'this'} is no JSON Schema: {error}")

    def _data(self, dataset: Records, where: str) -> None:
        if dataset.path is None:
            return
        place = f"{where}.path" if f"{where}.path" in self.document.lines else where
        found = self._within(dataset.path, place)
        if found is None:
            return
        pattern = any(mark in dataset.path for mark in "*?[") and not found.exists()
        if pattern and not any(self.base.glob(dataset.path)):
            self._add(
                place, f"no file fits {dataset.path}", f"patterns start at the folder of this file, {shown(self.base)}"
            )
        elif not pattern and not found.exists():
            self._missing(dataset.path, place)
        elif found.is_dir() and (dataset.source in ONE_FILE or (not dataset.source and found.suffix)):
            self._add(place, f"{dataset.path} is a folder", "name the file, or set `source: folder`")

    def _file(self, name: str, path: str) -> Path | None:
        found = self._within(name, path)
        if found is None:
            return None
        if found.is_file():
            return found
        if found.is_dir():
            self._add(path, f"{name} is a folder, not a file")
        else:
            self._missing(name, path)
        return None

    def _within(self, name: str, path: str) -> Path | None:
        try:
            found = (self.base / name).resolve()
            found.stat()
        except (FileNotFoundError, NotADirectoryError):
            found = (self.base / name).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            # A loop of links, a name that is too long or holds NUL, a folder that may not be entered.
            self._add(path, f"{name!r:.80} cannot be read: {getattr(error, 'strerror', None) or error}")
            return None
        if any(found.is_relative_to(root) for root in self.roots):
            return found
        self._add(
            path,
            f"{name} lies outside {self.roots[0]}",
            "copy it there, or list its folder under `roots` in evalkit.yaml",
        )
        return None

    def _missing(self, name: str, path: str) -> None:
        hint = f"paths start at the folder of this file, {shown(self.base)}"
        for root in (*self.roots, Path.cwd()):
            if (root / name).exists():
                up = Path(*[".."] * len(self.base.relative_to(root).parts)) if self.base.is_relative_to(root) else root
                hint = f"paths start at the folder of this file; did you mean {str(up / name)!r}?"
        near = did_you_mean(name, self._beside(name))
        self._add(path, f"there is no file {name}", near or hint)

    def _beside(self, name: str) -> list[str]:
        folder = (self.base / name).parent
        return [str(Path(name).parent / item.name) for item in folder.iterdir()] if folder.is_dir() else []

    def _add(self, path: str, message: str, hint: str | None = None) -> None:
        self.problems.append(problem_at(self.document, path, message, hint))


def _check_schema(schema: Mapping[str, Any]) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"{error.json_path}: {error.message}") from None
