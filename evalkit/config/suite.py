"""Suite files: read, check against what this installation knows, and name by hashes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.config import _files
from evalkit.config._check import problem_at, salvage, validate
from evalkit.config._files import shown
from evalkit.config._yaml import Document, read
from evalkit.config.models import Asking, Prompt, Records, SuiteModel
from evalkit.config.parts import NAME, Generation, Text, secret_paths, spec_text, thaw
from evalkit.core.errors import Problem, did_you_mean
from evalkit.core.keys import canonical_json, digest
from evalkit.core.types import Generation as GenerationNoun
from evalkit.core.types import Suite

SOURCES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
NO_PATH = ("hub", "sql")


Check = Callable[[str], str | None]
"""What is wrong with a text, or None."""


@dataclass(frozen=True, slots=True)
class SuiteFile:
    """A valid suite: its model, where it stands, and what its files hold.

    `lines` maps a dotted path (`scorers[1]`) to a line >= 1. `root` is the folder that its files may not leave.
    `texts` maps each referenced text or schema file, as written, to its content.
    """

    model: SuiteModel
    path: Path
    lines: Mapping[str, int]
    root: Path
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The suite's name: as written, or the file's stem."""
        return self.model.name or self.path.stem

    @property
    def base(self) -> Path:
        """The folder at which relative paths start."""
        return self.path.parent

    @property
    def source(self) -> str | None:
        """The kind of the dataset's source: as written, or by the path's ending."""
        return source_of(self.model.dataset)

    @property
    def fields(self) -> dict[str, Any]:
        """The field mapping as written: sample part -> column, list or mapping; an explicit null stays None."""
        written: dict[str, Any] = thaw(self.model.dataset.fields.model_dump(exclude_unset=True))
        return written

    @property
    def data_path(self) -> Path | None:
        """The dataset's file or folder, or None where the source has none."""
        return None if self.model.dataset.path is None else self.resolve(self.model.dataset.path)

    @property
    def response_schema(self) -> dict[str, Any] | None:
        """The JSON Schema of the answer, read from its file where it has one."""
        schema = self.model.task.response_schema
        named = _files.schema_file(schema)
        return _files.json_object(self.texts[named]) if named is not None else thaw(schema)

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of the prompt matrix; empty for a suite with one prompt or none."""
        return tuple(self.model.task.prompts)

    def resolve(self, path: str) -> Path:
        """An absolute path for a path as written in this suite."""
        return (self.base / path).resolve()

    def asking(self, prompt: str | None = None) -> dict[str, Any]:
        """The prompt's mapping as JSON values, with the content of text files in place of their names.

        Keys: system, prompt, messages, shots, image, audio. `prompt` names one of `prompts`; KeyError for others.
        """
        task = self.model.task
        chosen: Asking = task if prompt is None else task.prompts[prompt]
        both = {name: getattr(chosen, name) or getattr(task, name) for name in ("system", "image", "audio")}
        said = {**both, "prompt": chosen.prompt, "messages": chosen.messages}
        filled = {key: self._filled(value) for key, value in said.items() if value}
        if task.shots is not None and task.shots.count:
            filled["shots"] = task.shots.model_dump(by_alias=True, exclude_none=True)
        return filled

    def generation(self, override: Generation | None = None) -> GenerationNoun:
        """The generation parameters with the response schema; what a candidate writes itself goes first."""
        chosen = self.model.task.generation if override is None else override.over(self.model.task.generation)
        return chosen.noun(self.response_schema)

    def task_hash(self, prompt: str | None = None, *, texts: str | None = None) -> str:
        """Hash of what candidates are asked to do: family, prompt texts with file contents, shots, schema, generation.

        `prompt` names one prompt of the matrix (None: all of them). `texts` is a hash of more text that decides the
        messages, such as files that a template includes.
        """
        return digest(["task", self._task(prompt), texts])

    def suite_hash(self, prompt: str | None = None, *, texts: str | None = None) -> str:
        """Hash of what is measured: the task, its extraction, scorers, repeats, seed and which samples count.

        Gates, demo, description, limits, candidates, slices, the primary metric and where the data lie are left out, so
        that changing them orphans no baseline; `data_hash` stands for the data themselves.
        """
        model = self.model
        counted = {"filter", "limit", "stratify", "split"}
        dataset = model.dataset.model_dump(mode="json", include=counted, exclude_defaults=True)
        measured = [sorted(model.scorers), model.task.extract, model.repeats, model.seed]
        return digest(["suite", self.name, self._task(prompt), texts, measured, dataset])

    def noun(self, data_hash: str, prompt: str | None = None, *, texts: str | None = None) -> Suite:
        """The core noun, once the data are known."""
        return Suite(
            name=self.name,
            family=self.model.family,
            scorers=self.model.scorers,
            repeats=self.model.repeats,
            seed=self.model.seed,
            spec=self.model.model_dump(mode="json", by_alias=True, exclude_unset=True),
            data_hash=data_hash,
            task_hash=self.task_hash(prompt, texts=texts),
            suite_hash=self.suite_hash(prompt, texts=texts),
            file=str(self.path),
            lines=self.lines,
        )

    def _task(self, prompt: str | None) -> dict[str, Any]:
        names: Sequence[str | None] = [prompt] if prompt is not None else self.prompts or (None,)
        said = self.asking(names[0]) if len(names) == 1 else {str(name): self.asking(name) for name in names}
        generation = self.model.task.generation.material()
        return {"family": self.model.family, "said": said, "schema": self.response_schema, "generation": generation}

    def _filled(self, value: Any) -> Any:
        if isinstance(value, Text):
            only = value.model_dump(exclude_none=True)
            content = self.texts[only["file"]] if "file" in only else only.get("text")
            return only if content is None else content
        if isinstance(value, tuple):
            return [{"role": message.role, "content": self._content(message.content)} for message in value]
        return value

    def _content(self, parts: Sequence[Text]) -> Any:
        filled = [self._filled(part) for part in parts]
        return filled[0] if len(filled) == 1 and isinstance(filled[0], str) else filled


def source_of(records: Records) -> str | None:
    """The kind of a source: as written, or by the path's ending; None where neither says it."""
    if records.source is not None or records.path is None:
        return records.source
    return SOURCES.get(Path(records.path).suffix.lower(), "folder")


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load found: valid suites, everything wrong, suites that assert nothing (exit 5), and notes (no error)."""

    suites: tuple[SuiteFile, ...] = ()
    problems: tuple[Problem, ...] = ()
    empty: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    families: Collection[str]
    scorers: Check
    sources: Collection[str] | None
    checks: Mapping[str, Check]

    def stand_in(self) -> dict[str, Any]:
        """What is known, in place of a top-level key that is missing or wrong."""
        return {"family": next(iter(self.families), ""), "dataset": {"source": next(iter(self.sources or ()), "jsonl")}}


def load_suites(
    paths: Iterable[str | Path],
    *,
    families: Collection[str],
    scorers: Check,
    sources: Collection[str] | None = None,
    checks: Mapping[str, Check] | None = None,
    roots: Sequence[Path] = (),
) -> LoadResult:
    """Read suites from files and folders (all .yaml and .yml below, but card.yaml and evalkit.yaml); never raises.

    `families` and `sources` are the known names; `scorers` says what is wrong with a spec, or None; `checks` does so
    for the text at a dotted path (`task.extract`, `dataset.filter`).
    `roots` are folders that files of a suite may lie in, the project's own first; default: the working directory where
    the suite is below it, else the suite's folder.
    """
    known = _Known(families, scorers, sources, checks or {})
    files, problems = _files.suite_files(paths)
    suites: list[SuiteFile] = []
    empty: list[Problem] = []
    notes: list[Problem] = []
    for file in files:
        suite, found = _load(file, known, roots)
        problems += found
        if suite is not None:
            suites.append(suite)
            empty += _asserts_nothing(suite)
            notes += _notes(suite)
    problems += _same_names(suites)
    return LoadResult(tuple(suites), tuple(problems), tuple(empty), tuple(notes))


def _load(file: Path, known: _Known, roots: Sequence[Path]) -> tuple[SuiteFile | None, list[Problem]]:
    document = read(file, _files.shown(file))
    model, problems = validate(SuiteModel, document)
    readable = model or salvage(SuiteModel, document, known.stand_in())
    if readable is None:
        return None, problems
    reader = _files.Reader(document, file.resolve().parent, _files.allowed(file, roots))
    problems += _unknown_parts(readable, document, known) + reader.problems_of(readable) + _secrets(document)
    if readable.name is None and re.fullmatch(NAME, file.stem) is None:
        problems.append(problem_at(document, "name", f"{file.stem!r} is no name for a suite", "write `name:`"))
    if model is None or problems:
        return None, sorted(problems, key=lambda problem: problem.line or 0)
    return SuiteFile(model, file.resolve(), document.lines, reader.roots[0], reader.texts), []


def _unknown_parts(model: SuiteModel, document: Document, known: _Known) -> list[Problem]:
    found = _unknown(document, "family", model.family, known.families)
    for place, records in (("dataset", model.dataset), ("dataset.corpus", model.dataset.corpus)):
        if records is not None and records.source is not None and known.sources is not None:
            found += _unknown(document, f"{place}.source", records.source, known.sources)
    texts = [(f"scorers[{index}]", text, known.scorers) for index, text in _specs(document.data.get("scorers"))]
    texts += [(path, _text_at(model, path), check) for path, check in known.checks.items()]
    for path, text, check in texts:
        wrong = check(text) if text else None
        if wrong:
            found.append(problem_at(document, path, wrong))
    return found


def _specs(scorers: Any) -> Iterator[tuple[int, str]]:
    """The scorers that read as specs, with their places; what does not read has its own problem."""
    for index, item in enumerate(scorers if isinstance(scorers, list) else ()):
        try:
            yield index, spec_text(item)
        except ValueError:
            continue


def _text_at(model: SuiteModel, path: str) -> str:
    value: Any = model
    for step in path.split("."):
        value = getattr(value, step)
    return value if isinstance(value, str) else ""


def _unknown(document: Document, path: str, word: str, known: Collection[str]) -> list[Problem]:
    if word in known:
        return []
    hint = did_you_mean(word, known) or f"known: {', '.join(sorted(known))}"
    return [problem_at(document, path, f"there is no {path.rpartition('.')[2]} {word!r}", hint)]


def _secrets(document: Document) -> list[Problem]:
    hint = "keep it in the environment or in .env, and name it with api_key_env"
    message = "a secret does not belong in a suite"
    return [problem_at(document, path, message, hint) for path in secret_paths(document.data)]


def _asserts_nothing(suite: SuiteFile) -> list[Problem]:
    if suite.model.scorers or suite.model.dataset.fields.checks:
        return []
    message = f"suite {suite.name!r} has no scorers: nothing is asserted"
    line = suite.lines.get("scorers", 1)
    return [Problem(message, _files.shown(suite.path), line, "add `scorers:`; `evalkit list scorers` names them")]


def _notes(suite: SuiteFile) -> list[Problem]:
    found = []
    for index, gate in enumerate(suite.model.gates):
        if gate.margin == 0:
            line = suite.lines.get(f"gates[{index}].margin")
            message = f"gates[{index}].margin: 0 means that only a proven gain passes"
            found.append(Problem(message, _files.shown(suite.path), line, "a small margin passes what is equal"))
    return found


def _same_names(suites: Sequence[SuiteFile]) -> list[Problem]:
    first: dict[str, SuiteFile] = {}
    found = []
    for suite in suites:
        other = first.setdefault(suite.name, suite)
        if other is not suite:
            line = suite.lines.get("name", 1)
            message = f"a suite {suite.name!r} is already in {_files.shown(other.path)}"
            found.append(Problem(message, _files.shown(suite.path), line, "give each suite its own `name:`"))
    return found


def normalised(suite: SuiteFile) -> str:
    """The suite as canonical JSON text, for storing and for comparing two versions."""
    return canonical_json(suite.model.model_dump(mode="json", by_alias=True, exclude_unset=True)).decode("utf-8")


__all__ = ["LoadResult", "Prompt", "Records", "SuiteFile", "load_suites", "normalised", "shown", "source_of"]
