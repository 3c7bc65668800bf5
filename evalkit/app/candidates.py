"""From a candidate's name to an object that can be asked in a suite, or the reason why it is skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalkit import registry
from evalkit.app.workspace import Workspace
from evalkit.core.capabilities import learns, sending
from evalkit.core.errors import ConfigError, MissingComponent, Problem
from evalkit.core.spec import Spec
from evalkit.core.types import Candidate
from evalkit.engine.limits import LaneLimits

if TYPE_CHECKING:
    from evalkit.app.loading import LoadedSuite
    from evalkit.config.project import CandidateSpec
    from evalkit.prompts.task import TaskPrompt


@dataclass(frozen=True)
class Built:
    """A candidate in a suite. `skipped` says why it cannot be asked here; then `candidate` is None."""

    name: str
    spec: Mapping[str, Any]
    candidate: Candidate | None
    prompt: TaskPrompt | None = None
    prompt_name: str | None = None
    in_process: bool = False
    skipped: str | None = None
    limits: LaneLimits = field(default_factory=LaneLimits)
    parts: tuple[Built, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether it learns before it answers."""
        return learns(self.candidate)

    def all(self) -> Iterator[Built]:
        """Itself and everything that it is made of."""
        yield self
        for part in self.parts:
            yield from part.all()

    @property
    def lane(self) -> str:
        """What its limits are shared by."""
        sends = sending(self.candidate)
        return f"local:{self.name}" if sends is None else sends.lane

    @property
    def fingerprint(self) -> str:
        """Changes exactly when its answers may change; a skipped one has none."""
        return self.candidate.fingerprint if self.candidate is not None else ""

    @property
    def model(self) -> str:
        """What the price table calls it: what computes in this process is `local:`, the rest by provider and model.

        A system computes here; the calls that it makes have models of their own.
        """
        if self.in_process or self.spec.get("kind") == "system":
            return f"local:{self.name}"
        part = str(self.spec.get("part"))
        named = self.spec.get("model") or self.name
        sends = sending(self.candidate)
        return f"{part}:{named}" if sends is None or part == "llamacpp" else sends.model


class Builder:
    """Builds candidates for suites and gathers every problem; the same model is built once."""

    def __init__(self, workspace: Workspace, *, concurrency: int | None = None) -> None:
        self.workspace, self.problems = workspace, list[Problem]()
        self._concurrency = concurrency
        self._made: dict[str, Any] = {}

    def build(self, spec: CandidateSpec, suite: LoadedSuite) -> list[Built]:
        """The candidate in a suite: one, or one per prompt of the suite's matrix. Problems are gathered, not raised."""
        try:
            return list(self._build(spec, suite))
        except MissingComponent as error:
            return [Built(spec.name, _describe(spec), None, skipped=str(error))]
        except ConfigError as error:
            self.problems += error.problems
        except ValueError as error:
            self.problems.append(Problem(f"candidate {spec.name!r}: {error}", spec.file, spec.line))
        return []

    def helper(self, name: str, suite: LoadedSuite) -> Built:
        """A candidate that a scorer of the suite asks. Raises ConfigError, ValueError, MissingComponent."""
        return self._member(self.workspace.project.resolve(name), suite)

    def _member(self, spec: CandidateSpec, suite: LoadedSuite) -> Built:
        built = list(self._build(spec, suite))
        if len(built) > 1:
            # Whoever says its own messages needs no prompt; a part that is asked as it stands needs exactly one.
            raise ValueError(f"{spec.name!r} would be asked with {len(built)} prompts here; name one with `prompt:`")
        return built[0]

    def _system(self, spec: CandidateSpec, suite: LoadedSuite) -> Built:
        resolve = self.workspace.project.resolve
        roles: dict[str, Any] = {}
        members: list[Built] = []
        for role, names in spec.parts.items():
            built = [self._member(resolve(name), suite) for name in ((names,) if isinstance(names, str) else names)]
            members += built
            roles[role] = built[0].candidate if isinstance(names, str) else tuple(one.candidate for one in built)
        made = registry.make("systems", Spec(spec.part, None, dict(spec.options)), parts=roles)
        inside = all(one.in_process for one in members)
        described = {**_describe(spec), "parts": dict(spec.parts)}
        limits = self._limits(spec, suite)
        return Built(spec.name, described, made, in_process=inside, limits=limits, parts=tuple(members))

    def _build(self, spec: CandidateSpec, suite: LoadedSuite) -> Iterator[Built]:
        if spec.kind == "system":
            yield self._system(spec, suite)
            return
        made = self._part(spec)
        if not hasattr(made, "chat") and not _is_chat(made):
            yield Built(
                spec.name, _describe(spec), made, in_process=spec.kind == "baseline", limits=self._limits(spec, suite)
            )
            return
        for prompt_name in self._prompts(spec, suite):
            yield self._prompted(spec, suite, made, prompt_name)

    def _prompts(self, spec: CandidateSpec, suite: LoadedSuite) -> list[str | None]:
        names = suite.file.prompts
        if not names:
            return [None]
        if spec.prompt is not None and spec.prompt in names:
            return [spec.prompt]
        matrix = suite.file.model.task.prompts
        return [name for name in names if not matrix[name].candidates or spec.name in matrix[name].candidates]

    def _prompted(self, spec: CandidateSpec, suite: LoadedSuite, chat: Any, prompt_name: str | None) -> Built:
        from evalkit.systems.prompted import Prompted

        prompt = suite.prompt(prompt_name, self.workspace.renderer)
        name = spec.name if prompt_name is None else f"{spec.name}:{prompt_name}"
        shots = suite.shots(prompt.shots)
        candidate = Prompted(name, chat, prompt, suite.file.generation(spec.generation), shots)
        described = {**_describe(spec), "prompt": prompt_name}
        return Built(name, described, candidate, prompt, prompt_name, limits=self._limits(spec, suite))

    def _part(self, spec: CandidateSpec) -> Any:
        key = repr((spec.kind, spec.part, spec.model, sorted(spec.options.items(), key=str)))
        if key not in self._made:
            self._made[key] = self._make(spec)
        return self._made[key]

    def _make(self, spec: CandidateSpec) -> Any:
        if spec.kind == "provider":
            extra = {"tools": self.workspace.tools, "model": spec.model}
            return registry.make("providers", Spec(spec.part, None, dict(spec.options)), **extra)
        return registry.make("baselines", Spec(spec.part, None, dict(spec.options)))

    def _limits(self, spec: CandidateSpec, suite: LoadedSuite) -> LaneLimits:
        own, of_suite = spec.limits, suite.file.model.limits
        chosen = self._concurrency or own.concurrency or of_suite.concurrency
        width = chosen or self.workspace.project.defaults.concurrency or LaneLimits().concurrency
        if spec.part == "llamacpp":
            # A call beyond the server's slots waits inside the server, where its time counts as the model's.
            width = int(spec.options.get("n_parallel", 1))
        return LaneLimits(
            concurrency=width,
            requests_per_minute=own.requests_per_minute or of_suite.requests_per_minute,
            tokens_per_minute=own.tokens_per_minute or of_suite.tokens_per_minute,
            start=min(width, LaneLimits().start),
        )


def _is_chat(made: Any) -> bool:
    return hasattr(made, "request") and hasattr(made, "send") and not hasattr(made, "answer")


def _describe(spec: CandidateSpec) -> dict[str, Any]:
    return {
        "kind": spec.kind,
        "part": spec.part,
        "model": spec.model,
        "options": dict(spec.options),
        "generation": spec.generation.material(),
    }


Resolve = Callable[[str], "CandidateSpec"]
