"""Suites made ready: files read, data snapshotted, scorers built, splits drawn, and every problem said at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit import registry
from evalkit.app.places import placed
from evalkit.app.scoring import Prepared, prepare
from evalkit.app.workspace import Workspace
from evalkit.config.suite import LoadResult, Records, SuiteFile, load_suites, shown, source_of
from evalkit.core.errors import ConfigError, EvalkitError, MissingComponent, Problem, UsageError
from evalkit.core.keys import digest
from evalkit.core.spec import Spec
from evalkit.core.types import Family, Given, Response, Sample, Split

if TYPE_CHECKING:
    from evalkit.app.candidates import Built
    from evalkit.data.schedule import Indices
    from evalkit.data.snapshot import Snapshot
    from evalkit.prompts.render import Renderer
    from evalkit.prompts.task import Shots, TaskPrompt

MOST_CLASSES = 50


@dataclass(frozen=True)
class Selection:
    """Which samples of a suite are asked: the first `limit` in hash order, or `ids`; None = all.

    `repeats` = how often each is asked, where not as the suite says. `demo`: what the suite says for a demonstration,
    where nothing else is said. `checked` says that their targets have been looked at already (by the process that
    started this one).
    """

    limit: int | None = None
    ids: tuple[str, ...] | None = None
    checked: bool = False
    demo: bool = False
    repeats: int | None = None


@dataclass
class LoadedSuite:
    """A suite that can be planned: its data on disk, its scorers and splits.

    `lacking` says which scorers cannot be built on this machine and why: then nobody is asked.
    """

    file: SuiteFile
    family: Family
    snapshot: Snapshot
    prepared: tuple[Prepared, ...]
    splits: tuple[Split, ...]
    indices: Indices
    data_hash: str
    corpus: Snapshot | None = None
    helpers: dict[str, Built] = field(default_factory=dict)
    included: Mapping[str | None, str] = field(default_factory=dict)
    repeated: int | None = None
    lacking: tuple[str, ...] = ()
    _givens: dict[str, Given] = field(default_factory=dict)
    _prompts: dict[str | None, TaskPrompt] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The suite's name."""
        return self.file.name

    @property
    def repeats(self) -> int:
        """How often each sample is asked."""
        return self.file.model.repeats if self.repeated is None else self.repeated

    @property
    def seed(self) -> int:
        """Decides the scheduled order and every resampling."""
        return self.file.model.seed

    @cached_property
    def suite_hash(self) -> str:
        """Names what is measured, with the files that its templates include."""
        return self.file.suite_hash(texts=self.included.get(None))

    def task_hash(self, prompt: str | None) -> str:
        """Names what candidates are asked to do by one prompt (None: all of them), included files too."""
        return self.file.task_hash(prompt, texts=self.included.get(prompt))

    @property
    def split_ids(self) -> list[str]:
        """The splits by their content."""
        return [split.id for split in self.splits]

    @cached_property
    def extract(self) -> Callable[[Response], Response] | None:
        """Takes the answer out of an output, where the task says how."""
        spec = self.file.model.task.extract
        if spec is None:
            return None
        from evalkit.scorers._extract import apply_extraction

        return partial(apply_extraction, spec)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {self.snapshot.id_of(int(index)): int(index) for index in self.indices}

    def sample(self, sample_id: str) -> Sample:
        """A scheduled sample by its id."""
        return self.snapshot.sample(self._places[sample_id])

    @cached_property
    def _split_by_sample(self) -> dict[str, str]:
        return {ident: split.id for split in self.splits for ident in split.test_ids}

    def split_of(self, sample_id: str) -> str | None:
        """The split in which a sample is asked; None without splits."""
        return self._split_by_sample.get(sample_id)

    def given(self, split_id: str | None) -> Given:
        """What may be learnt from when a split is asked; without splits the corpus alone, where there is one.

        Raises ConfigError for a suite with neither.
        """
        from evalkit.data import splits

        if split_id is None and self.corpus is not None:
            return self._with_corpus(Given("", ()))
        if split_id is None:
            line = self.file.lines.get("dataset", 1)
            hint = "add `split: {kind: kfold}` under dataset, or leave learning candidates out"
            raise ConfigError(
                [Problem("a candidate learns, but the suite has no split", shown(self.file.path), line, hint)]
            )
        if split_id not in self._givens:
            split = next(split for split in self.splits if split.id == split_id)
            self._givens[split_id] = self._with_corpus(splits.given(self.snapshot, split))
        return self._givens[split_id]

    def _with_corpus(self, given: Given) -> Given:
        if self.corpus is None:
            return given
        from evalkit.data.splits import Subset

        everything = Subset(self.corpus, tuple(range(self.corpus.count)))
        return Given(digest(["given", given.id, self.corpus.data_hash]), given.train, everything)

    def choose(self, ids: Sequence[str]) -> None:
        """Keep only these of the scheduled samples, in scheduled order."""
        known = self._places
        schedule = self.snapshot.scheduled(self.seed, ids=[ident for ident in ids if ident in known])
        self.indices = schedule.indices
        self.data_hash = _hash_with(self.snapshot.subset_hash(schedule), self.corpus)

    def prompt(self, name: str | None, renderer: Renderer) -> TaskPrompt:
        """The task's prompt (one of the matrix, or the only one). Raises ConfigError with everything wrong in it."""
        if name not in self._prompts:
            from evalkit.prompts.task import TaskPrompt

            asking = self.file.asking(name)
            if not any(key in asking for key in ("prompt", "messages")) and "text" in self.family.input_fields:
                asking = {**asking, "prompt": "{{ text }}"}
            try:
                self._prompts[name] = TaskPrompt.build(asking, renderer, base=self.file.base)
            except ConfigError as error:
                raise ConfigError(self.in_prompt(problem, name) for problem in error.problems) from None
        return self._prompts[name]

    def in_prompt(self, problem: Problem, name: str | None) -> Problem:
        """A problem of a prompt, with the line where the suite writes it and the files that hold its text."""
        task, lines = self.file.model.task, self.file.lines
        places = (f"task.prompts.{name}", "task.prompt", "task.messages", "task")
        line = next((lines[place] for place in places if place in lines), None)
        asked = task if name is None else task.prompts[name]
        files = [text.file for text in (asked.system or task.system, asked.prompt) if text is not None and text.file]
        hint = problem.hint or (f"its text is in {', '.join(files)}" if files else None)
        return placed(Problem(problem.message, hint=hint), self.file, line)

    def shots(self, shots: Shots) -> Sequence[Sample]:
        """The samples that few-shot examples are drawn from."""
        if not shots.count:
            return ()
        from evalkit.prompts.shots import pool

        if shots.source == "train" and self.splits:
            return pool(self.given(self.splits[0].id).train, shots.count, shots.seed)
        return pool(self.snapshot.samples(), shots.count, shots.seed)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found: suites that can be planned, everything wrong, suites that assert nothing, and what to know."""

    suites: tuple[LoadedSuite, ...]
    problems: tuple[Problem, ...]
    empty: tuple[Problem, ...]
    notes: tuple[Problem, ...]


def families() -> dict[str, Family]:
    """Every family by its name."""
    return {name: registry.make("families", name) for name in registry.names("families")}


def scorer_trouble(spec: str) -> str | None:
    """What is wrong with a scorer's spec, or None; what it lacks on this machine is no mistake in the suite."""
    try:
        prepare(spec, extract=None)
    except ValueError as error:
        return str(error)
    except MissingComponent:
        return None
    return None


def extract_trouble(spec: str) -> str | None:
    """What is wrong with an extraction's spec, or None."""
    from evalkit.scorers._extract import extractor

    try:
        extractor(spec)
    except ValueError as error:
        return str(error)
    return None


def filter_trouble(text: str) -> str | None:
    """What is wrong with a dataset's filter, or None."""
    from evalkit.data._filter import compile_filter

    try:
        compile_filter(text)
    except ValueError as error:
        return str(error)
    return None


def read_files(workspace: Workspace, paths: Iterable[Path]) -> LoadResult:
    """The suite files, checked against what is installed; data are not read."""
    return load_suites(
        paths,
        families=registry.names("families"),
        scorers=scorer_trouble,
        sources=registry.names("data"),
        checks={"task.extract": extract_trouble, "dataset.filter": filter_trouble},
        roots=workspace.project.roots,
    )


def load(workspace: Workspace, paths: Iterable[Path], selection: Selection) -> Loaded:
    """Suites with their data. Every problem is gathered; nothing raises for what the user wrote."""
    result = read_files(workspace, paths)
    known = families()
    suites: list[LoadedSuite] = []
    problems = list(result.problems)
    notes = [*workspace.project.notes, *result.notes]
    for file in result.suites:
        if selection.demo and file.model.demo.skip:
            continue
        try:
            suite = _load_one(workspace, file, known[file.model.family], selection)
        except ConfigError as error:
            problems += [placed(problem, file) for problem in error.problems]
        except (UsageError, MissingComponent, ValueError) as error:
            problems.append(placed(Problem(str(error)), file))
        else:
            problems += [placed(problem, file) for problem in suite.snapshot.problems]
            problems += [placed(problem, file) for problem in (suite.corpus.problems if suite.corpus else ())]
            notes += [placed(note, file) for note in suite.snapshot.warnings]
            if not suite.snapshot.problems:
                suites.append(suite)
    return Loaded(tuple(suites), tuple(problems), result.empty, tuple(notes))


def _load_one(workspace: Workspace, file: SuiteFile, family: Family, selection: Selection) -> LoadedSuite:
    model = file.model
    snapshot = snapshot_of(workspace, file, model.dataset, family)
    corpus = None if model.dataset.corpus is None else snapshot_of(workspace, file, model.dataset.corpus, None)
    prepared, lacking = _scorers(file)
    if model.dataset.fields.checks is not None:
        from evalkit.app.checks import per_sample

        prepared = (*prepared, per_sample(model.task.extract))
    splits = () if snapshot.problems else tuple(splits_of(file, snapshot))
    indices, data_hash = _select(file, snapshot, splits, selection)
    suite = LoadedSuite(file, family, snapshot, prepared, splits, indices, _hash_with(data_hash, corpus), corpus)
    suite.included, suite.lacking = _included(suite, workspace), lacking
    suite.repeated = selection.repeats
    return suite


def _scorers(file: SuiteFile) -> tuple[tuple[Prepared, ...], tuple[str, ...]]:
    """The suite's scorers, and what those that cannot be built on this machine lack."""
    prepared, lacking = list[Prepared](), list[str]()
    for spec in file.model.scorers:
        try:
            prepared.append(prepare(spec, extract=file.model.task.extract, schema=file.response_schema))
        except MissingComponent as error:
            lacking.append(f"its scorer {spec}: {error}")
    return tuple(prepared), tuple(lacking)


def _included(suite: LoadedSuite, workspace: Workspace) -> dict[str | None, str]:
    """Prompt name -> hash of the files that its templates include, None -> of all; nothing where there are none."""
    found: dict[str | None, str] = {}
    for name in suite.file.prompts or (None,):
        # Only a statement includes files; without one the template engine is not loaded.
        if "{%" not in str(suite.file.asking(name)):
            continue
        try:
            prompt = suite.prompt(name, workspace.renderer)
        except ConfigError:
            continue  # said with its line where a candidate is asked by this prompt
        texts = [[text.name, text.text] for text in prompt.texts if text.role == "include"]
        if texts:
            found[name] = digest(["included", texts])
    if found and suite.file.prompts:
        found[None] = digest(["included", sorted((str(name), one) for name, one in found.items())])
    return found


def _hash_with(data_hash: str, corpus: Snapshot | None) -> str:
    return data_hash if corpus is None else digest(["data and corpus", data_hash, corpus.data_hash])


def snapshot_of(workspace: Workspace, file: SuiteFile, records: Records, family: Family | None) -> Snapshot:
    """Data of a suite as a snapshot: its samples (of a family) or its corpus (of none).

    Raises ConfigError, StoreError, MissingComponent.
    """
    from evalkit.data.snapshot import Recipe, build

    options: dict[str, Any] = dict(records.options)
    if records.path is not None:
        options["path"] = records.path
    kind = source_of(records)
    assert kind is not None
    if kind != "sklearn":
        options["root"] = str(file.base)
    source = registry.make("data", Spec(kind, None, options))
    written = records.fields.model_dump(exclude_none=True, exclude_defaults=True)
    recipe = Recipe(fields=written or None, filter=records.filter, family=family)
    return build(source, recipe, cache=workspace.folder, blobs=workspace.blobs)


def splits_of(file: SuiteFile, snapshot: Snapshot) -> list[Split]:
    """The suite's splits; none where it names no split."""
    from evalkit.data import splits

    split = file.model.dataset.split
    if split is None:
        return []
    if split.kind == "given":
        return splits.given_split(snapshot, split.field or "")
    if split.kind == "time":
        return splits.time_split(snapshot, split.field or "", split.test_share)
    stratify = "target" if _few_classes(snapshot) else None
    if split.kind == "holdout":
        return splits.holdout(snapshot, split.test_share, split.seed, stratify=stratify, grouped=split.grouped)
    return splits.kfold(snapshot, split.k, split.seed, stratify=stratify, grouped=split.grouped)


def _few_classes(snapshot: Snapshot) -> bool:
    """Whether targets are classes: few different ones, so that folds can hold each in proportion."""
    import numpy as np

    return 1 < len(np.unique(snapshot.strata("target"))) <= min(MOST_CLASSES, max(2, snapshot.count // 5))


def _select(file: SuiteFile, snapshot: Snapshot, splits: Sequence[Split], selection: Selection) -> tuple[Indices, str]:
    dataset = file.model.dataset
    shown = file.model.demo.limit if selection.demo else None
    limit = next((one for one in (selection.limit, shown, dataset.limit) if one is not None), None)
    stratify = dataset.stratify
    ids: Sequence[str] | None = selection.ids
    if ids is None and splits:
        tested = [ident for split in splits for ident in split.test_ids]
        ids = None if len(tested) == snapshot.count else tested
    schedule = snapshot.scheduled(file.model.seed, limit=limit, ids=ids, stratify=stratify)
    return schedule.indices, snapshot.subset_hash(schedule)


__all__ = ["EvalkitError", "Loaded", "LoadedSuite", "Selection", "load", "read_files"]
