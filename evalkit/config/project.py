"""evalkit.yaml and .env: who can be asked, with which options, and where the secrets are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from evalkit.config._check import problem_at, salvage, validate
from evalkit.config._env import is_secret, read_env
from evalkit.config._files import shown
from evalkit.config._yaml import Document, read
from evalkit.config.parts import Generation, RateLimits, secret_paths
from evalkit.config.project_models import Candidate, Defaults, Open, Price, ProjectModel, Provider
from evalkit.core.errors import ConfigError, Problem, did_you_mean
from evalkit.core.spec import Spec

FILE = "evalkit.yaml"
MIN_SECRET = 6
_MISPLACED = set(Generation.model_fields) - {"seed", "stop", "stream", "extra"}


@dataclass(frozen=True, slots=True)
class CandidateSpec:
    """A candidate ready to be built: `part` is the file's name in the room of its `kind`.

    `provider` is the name under which limits are shared; `options` go to the part's `make` and never hold a key;
    `prompt` names the only prompt it is asked with; `parts` names the candidates that a system is made of, by role;
    `file` and `line` say where it is written (None: ad hoc).
    """

    name: str
    kind: Literal["provider", "baseline", "system"]
    part: str
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    generation: Generation = field(default_factory=Generation)
    prompt: str | None = None
    parts: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    provider: str | None = None
    limits: RateLimits = field(default_factory=RateLimits)
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder; `problems` must be empty before anything is asked, `notes` are only said.

    `file` is None where there is no evalkit.yaml; then everything has its default.
    """

    root: Path
    file: Path | None
    model: ProjectModel
    document: Document
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    known_providers: Collection[str] | None = None
    known_baselines: Collection[str] | None = None
    known_systems: Collection[str] | None = None
    _environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    _dotenv: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def defaults(self) -> Defaults:
        """What holds where nothing else is said."""
        return self.model.defaults

    @property
    def prices(self) -> tuple[Price, ...]:
        """Prices that go before the bundled table."""
        return self.model.prices

    @property
    def store(self) -> Path:
        """The store's folder, absolute."""
        return self.root / self.model.defaults.store

    @property
    def reports(self) -> Path:
        """The report's folder, absolute."""
        return self.root / self.model.defaults.reports

    @property
    def roots(self) -> tuple[Path, ...]:
        """Folders that the files of a suite may lie in: the project's own first."""
        return (self.root, *((self.root / extra).resolve() for extra in self.model.roots))

    @property
    def key_names(self) -> frozenset[str]:
        """Variables that candidates and providers name as holding a key."""
        return _key_names(self.model)

    def secret(self, name: str) -> str | None:
        """The value of a variable: the environment first, then .env; None where neither has it or it is empty."""
        return self._environ.get(name) or self._dotenv.get(name) or None

    def secrets(self) -> frozenset[str]:
        """All values to be redacted: keys of the environment and of .env, of at least six characters."""
        outer = (value for name, value in self._environ.items() if is_secret(name, self.key_names))
        return frozenset(
            value.strip() for value in (*outer, *self._dotenv.values()) if len(value.strip()) >= MIN_SECRET
        )

    def sharing(self, other: Project) -> Project:
        """This project with the store, the reports and the .env of another: an older copy of it measures into it."""
        places = {"store": str(other.store), "reports": str(other.reports)}
        model = self.model.model_copy(update={"defaults": self.defaults.model_copy(update=places)})
        return replace(self, model=model, _dotenv=dict(other._dotenv))

    def resolve(self, name: str) -> CandidateSpec:
        """The candidate of a name: from evalkit.yaml, `provider/model`, or a baseline like `tfidf_linear(c=1.0)`.

        Raises ConfigError with suggestions.
        """
        found = self.model.candidates.get(name)
        return self._written(name, found) if found is not None else self._ad_hoc(name, name)

    def resolve_all(self, names: Iterable[str]) -> tuple[list[CandidateSpec], list[Problem]]:
        """Every candidate that resolves, in order, each name once, and what is wrong with the others."""
        specs: list[CandidateSpec] = []
        problems: list[Problem] = []
        for name in dict.fromkeys(names):
            try:
                specs.append(self.resolve(name))
            except ConfigError as error:
                problems += error.problems
        return specs, problems

    def _written(self, name: str, found: Candidate) -> CandidateSpec:
        line = self.document.line(f"candidates.{name}")
        where = {"file": self.document.file, "line": line}
        given: dict[str, Any] = {"name": name, "generation": found.generation, "prompt": found.prompt, **where}
        if found.provider is not None:
            return self._provided(found.provider, found.model, found.options, given)
        if found.baseline is not None:
            return self._baseline(Spec.parse(found.baseline), given)
        if found.system is not None:
            return self._system(found, given)
        base = self._ad_hoc(str(found.spec), name, where)
        return CandidateSpec(
            kind=base.kind,
            part=base.part,
            model=base.model,
            options={**base.options, **found.options},
            provider=base.provider,
            limits=base.limits,
            **given,
        )

    def _ad_hoc(self, text: str, name: str, where: Mapping[str, Any] | None = None) -> CandidateSpec:
        given: dict[str, Any] = {"name": name, **(where or {})}
        head, slash, model = text.partition("/")
        if slash and "(" not in head:
            if not model:
                raise self._unknown(f"{text!r} names no model", "write provider/model", given)
            return self._provided(head, model, {}, given)
        try:
            spec = Spec.parse(text)
        except ValueError as error:
            raise self._unknown(str(error), None, given) from None
        if self._is_provider(spec.name) and not self._is_baseline(spec.name):
            return self._provided(spec.name, None, spec.options, given)
        return self._baseline(spec, given)

    def _provided(
        self, provider: str, model: str | None, options: Mapping[str, Any], given: Mapping[str, Any]
    ) -> CandidateSpec:
        shared = self.model.providers.get(provider, Provider())
        part = shared.provider or provider
        if self.known_providers is not None and part not in self.known_providers:
            names = {*self.known_providers, *self.model.providers}
            hint = did_you_mean(provider, names) or f"known: {', '.join(sorted(names))}"
            raise self._unknown(f"there is no provider {provider!r}", hint, given)
        both = {**_shared_options(shared), **options}
        return CandidateSpec(
            kind="provider", part=part, model=model, options=both, provider=provider, limits=shared.limits, **given
        )

    def _baseline(self, spec: Spec, given: Mapping[str, Any]) -> CandidateSpec:
        if self.known_baselines is not None and spec.name not in self.known_baselines:
            names = {*self.known_baselines, *self.model.candidates, *(self.known_providers or ())}
            hint = did_you_mean(spec.name, names) or "write a name from evalkit.yaml, provider/model, or a baseline"
            raise self._unknown(f"there is no candidate {str(spec)!r}", hint, given)
        options = dict(spec.options) if spec.at is None else {**spec.options, "k": spec.at}
        return CandidateSpec(kind="baseline", part=spec.name, options=options, **given)

    def _system(self, found: Candidate, given: Mapping[str, Any]) -> CandidateSpec:
        name = str(found.system)
        if self.known_systems is not None and name not in self.known_systems:
            hint = did_you_mean(name, self.known_systems) or f"known: {', '.join(sorted(self.known_systems))}"
            raise self._unknown(f"there is no system {name!r}", hint, given)
        return CandidateSpec(kind="system", part=name, options=found.options, parts=found.parts, **given)

    def _is_provider(self, name: str) -> bool:
        return name in self.model.providers or name in (self.known_providers or ())

    def _is_baseline(self, name: str) -> bool:
        return name in (self.known_baselines or ())

    def _unknown(self, message: str, hint: str | None, given: Mapping[str, Any]) -> ConfigError:
        where = {"file": given.get("file"), "line": given.get("line")}
        about = f"candidates.{given['name']}: " if where["file"] else "candidate: "
        return ConfigError([Problem(about + message, hint=hint, **where)])


def load_project(
    start: Path,
    *,
    environ: Mapping[str, str] | None = None,
    providers: Collection[str] | None = None,
    baselines: Collection[str] | None = None,
    systems: Collection[str] | None = None,
) -> Project:
    """The project that `start` (a file or folder) lies in: the nearest evalkit.yaml upwards, or defaults; never raises.

    `environ` is where secrets are looked up first. `providers`, `baselines` and `systems` are the known names (None:
    any name).
    """
    folder = start.resolve() if start.is_dir() else start.resolve().parent
    file = next((above / FILE for above in (folder, *folder.parents) if (above / FILE).is_file()), None)
    root = folder if file is None else file.parent
    document = Document(FILE) if file is None else read(file, shown(file))
    empty = not document.problems and document.data is None
    model, problems = (ProjectModel(), []) if empty else validate(ProjectModel, document)
    chosen = model or salvage(ProjectModel, document, {}) or ProjectModel()
    env = read_env(root / ".env", _key_names(chosen))
    project = Project(
        root,
        file,
        chosen,
        document,
        notes=env.notes,
        known_providers=providers,
        known_baselines=baselines,
        known_systems=systems,
        _environ=dict(environ or {}),
        _dotenv=env.values,
    )
    problems += _checked(project)
    return replace(project, problems=tuple(sorted(problems, key=lambda problem: problem.line or 0)))


def _checked(project: Project) -> list[Problem]:
    document = project.document
    hint = "keep it in the environment or in .env, and name it with api_key_env"
    found = [problem_at(document, path, "a secret does not belong here", hint) for path in secret_paths(document.data)]
    for name, candidate in project.model.candidates.items():
        found += _misplaced(document, f"candidates.{name}", candidate)
    for name, provider in project.model.providers.items():
        found += _misplaced(document, f"providers.{name}", provider)
    return found + project.resolve_all(project.model.candidates)[1] + _wrong_parts(project)


def _wrong_parts(project: Project) -> list[Problem]:
    """Parts of systems that nobody knows, and systems that hold themselves."""
    document, found = project.document, []
    for name, candidate in project.model.candidates.items():
        for role, members in candidate.parts.items():
            place = f"candidates.{name}.parts.{role}"
            for problem in project.resolve_all(_listed(members))[1]:
                message = problem.message.removeprefix("candidate: ")
                found.append(problem_at(document, place, message, problem.hint))
    return found + [
        problem_at(document, f"candidates.{ring[0]}", f"a system holds itself: {' -> '.join(ring)}")
        for ring in _rings(project.model.candidates)
    ]


def _listed(members: str | tuple[str, ...]) -> tuple[str, ...]:
    return (members,) if isinstance(members, str) else members


def _rings(candidates: Mapping[str, Candidate]) -> list[tuple[str, ...]]:
    """Cycles among systems, each once, from its first name in alphabetical order."""
    holds = {
        name: sorted(
            {one for members in c.parts.values() for one in ((members,) if isinstance(members, str) else members)}
        )
        for name, c in candidates.items()
    }
    rings: set[tuple[str, ...]] = set()

    def walk(path: tuple[str, ...]) -> None:
        for inner in holds.get(path[-1], ()):
            if inner == path[0]:
                rings.add((*path, inner))
            elif inner > path[0] and inner not in path:
                walk((*path, inner))

    for name in sorted(holds):
        walk((name,))
    return sorted(rings)


def _misplaced(document: Document, path: str, model: Open) -> list[Problem]:
    own = sorted(type(model).model_fields)
    found = []
    for key in model.options:
        near = get_close_matches(key, own, n=1, cutoff=0.8)
        if key in _MISPLACED:
            found.append(problem_at(document, f"{path}.{key}", "unknown key", f"{key!r} belongs under `generation`"))
        elif near:
            found.append(problem_at(document, f"{path}.{key}", "unknown key", f"did you mean {near[0]!r}?"))
    return found


def _shared_options(provider: Provider) -> dict[str, Any]:
    own = {"base_url": provider.base_url, "api_key_env": provider.api_key_env}
    return {**{name: value for name, value in own.items() if value is not None}, **provider.options}


def _key_names(model: ProjectModel) -> frozenset[str]:
    named = [provider.api_key_env for provider in model.providers.values()]
    named += [candidate.options.get("api_key_env") for candidate in model.candidates.values()]
    return frozenset(name for name in named if isinstance(name, str))
