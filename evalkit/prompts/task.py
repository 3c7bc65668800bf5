"""A task's prompt: from a mapping in a suite to the messages for one sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from evalkit.core.errors import ConfigError, Problem, did_you_mean
from evalkit.core.keys import digest
from evalkit.core.types import Message, Sample
from evalkit.prompts.render import Renderer, inner
from evalkit.prompts.shots import answer_text, select

KEYS = ("system", "prompt", "messages", "shots", "image", "audio")
ROLES = ("system", "user", "assistant", "tool")
MEDIA = ("image", "audio")
NEEDS = "shots"


@dataclass(frozen=True, slots=True)
class Text:
    """One template: its name in the task, the role it speaks in, and its text."""

    name: str
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a message: `kind` is text, image or audio; media templates are one `{{ reference }}`."""

    kind: str
    template: Text


@dataclass(frozen=True, slots=True)
class Turn:
    """One message to render: a role and its parts."""

    role: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Shots:
    """How many examples are shown, which split they come from (None: the suite's own choice), and the seed."""

    count: int = 0
    source: str | None = None
    seed: int = 0


class TaskPrompt:
    """The prompt of a task; build it with `TaskPrompt.build`.

    A template sees `input` (the mapping), every input field by its name, `sample` (id, tags, meta) and `shots` (each
    with its input fields, `input` and `target`); never the target of the asked sample. When no template uses `shots`,
    the examples stand before the last user message as pairs of question and answer.
    """

    def __init__(self, renderer: Renderer, turns: Sequence[Turn], shots: Shots, included: Mapping[str, str]) -> None:
        self._renderer = renderer
        self._turns = tuple(turns)
        self.shots = shots
        asked = [part.template for turn in self._turns for part in turn.parts]
        self.texts = (*asked, *(Text(name, "include", text) for name, text in sorted(included.items())))
        self._shows_shots = NEEDS in self.variables()
        self._question = next((i for i in reversed(range(len(turns))) if turns[i].role == "user"), None)
        self._shown: dict[str, tuple[Sample, tuple[Message, Message]]] = {}

    @classmethod
    def build(cls, spec: Mapping[str, Any], renderer: Renderer, *, base: Path | None = None) -> TaskPrompt:
        """Read a task's mapping: `system`, `prompt` (text or {file: path}), `messages`, `shots`, `image`, `audio`.

        Paths start at `base` (default: the renderer's root) and stay inside the root. Raises ConfigError with every
        problem: unknown keys, unreadable files, syntax errors, missing includes, media that is no single reference.
        """
        reader = _Reader(renderer, base)
        turns = reader.turns(spec)
        shots = reader.shots(spec.get("shots"))
        included = reader.included(turns)
        if shots.count and not any(turn.role == "user" for turn in turns):
            reader.problem("shots need a `prompt` or a user message to stand before")
        if reader.problems:
            raise ConfigError(reader.problems)
        return cls(renderer, turns, shots, included)

    @property
    def hash(self) -> str:
        """Content hash of all texts (included files too), their roles and kinds, and how shots are chosen."""
        turns = [[turn.role, [[part.kind, part.template.text] for part in turn.parts]] for turn in self._turns]
        included = [[text.name, text.text] for text in self.texts if text.role == "include"]
        return digest(["prompt", turns, included, [self.shots.count, self.shots.source, self.shots.seed]])

    def variables(self) -> frozenset[str]:
        """Names that the templates take from outside."""
        return frozenset().union(*(self._renderer.variables(text.text, name=text.name) for text in self.texts))

    def fields(self) -> frozenset[str]:
        """Names of the input fields that every sample must have for its messages to be made."""
        passed_on = frozenset({"messages"} if self._question is None else ())
        return passed_on.union(*(self._renderer.fields(text.text, name=text.name) for text in self.texts))

    def messages(self, sample: Sample, shots: Sequence[Sample] = ()) -> list[Message]:
        """The messages for one sample; `shots` are examples to choose from, in order, past the asked one's group.

        Raises ValueError naming the sample and the template when a variable or a media reference is missing.
        """
        try:
            chosen = list(select(shots, self.shots.count, sample)) if shots and self.shots.count else []
            return self._messages(sample, chosen)
        except ValueError as error:
            raise ValueError(f"sample {sample.id!r}: {error}") from None

    def _messages(self, sample: Sample, chosen: Sequence[Sample]) -> list[Message]:
        variables = _variables(sample, [_shown(shot) for shot in chosen] if self._shows_shots else [])
        messages: list[Message] = []
        for place, turn in enumerate(self._turns):
            if place == self._question and not self._shows_shots:
                for shot in chosen:
                    messages.extend(self._pair(turn, shot))
            messages.append(self._message(turn, variables))
        if self._question is None:
            messages.extend(_conversation(sample))
        return messages

    def _message(self, turn: Turn, variables: Mapping[str, Any]) -> Message:
        if len(turn.parts) == 1 and turn.parts[0].kind == "text":
            template = turn.parts[0].template
            return {"role": turn.role, "content": self._renderer.render(template.text, variables, name=template.name)}
        content: list[Mapping[str, Any]] = []
        for part in turn.parts:
            name, text = part.template.name, part.template.text
            if part.kind == "text":
                content.append({"type": "text", "text": self._renderer.render(text, variables, name=name)})
            else:
                found = self._renderer.value(text, variables, name=name)
                content.extend({"type": part.kind, part.kind: blob} for blob in _blobs(found, name))
        return {"role": turn.role, "content": content}

    def _pair(self, turn: Turn, shot: Sample) -> tuple[Message, Message]:
        known = self._shown.get(shot.id)
        # Two samples can carry one id, so the object itself decides whether the rendered pair may be reused.
        if known is not None and known[0] is shot:
            return known[1]
        question = self._message(turn, _variables(shot, []))
        pair = (question, {"role": "assistant", "content": answer_text(shot.target)})
        self._shown[shot.id] = (shot, pair)
        return pair


class _Reader:
    """Reads a task's mapping and gathers every problem."""

    def __init__(self, renderer: Renderer, base: Path | None) -> None:
        self.renderer = renderer
        self.base = base
        self.problems: list[Problem] = []

    def problem(self, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(f"task: {message}", hint=hint))

    def turns(self, spec: Mapping[str, Any]) -> list[Turn]:
        for key in sorted(set(spec) - set(KEYS)):
            self.problem(f"unknown key {key!r}", did_you_mean(key, KEYS) or f"known: {', '.join(KEYS)}")
        if spec.get("prompt") is not None and spec.get("messages") is not None:
            self.problem("give `prompt` or `messages`, not both")
        turns = [self._turn("system", "system", spec["system"])] if spec.get("system") is not None else []
        if spec.get("prompt") is not None or any(spec.get(kind) is not None for kind in MEDIA):
            turns.append(self._prompt(spec))
        turns.extend(self._listed(spec.get("messages")))
        return turns

    def _prompt(self, spec: Mapping[str, Any]) -> Turn:
        parts = list(self._turn("prompt", "user", spec["prompt"]).parts) if spec.get("prompt") is not None else []
        for kind in MEDIA:
            if spec.get(kind) is not None:
                parts.extend(self._part(f"{kind}", "user", {kind: spec[kind]}))
        return Turn("user", tuple(parts))

    def _listed(self, messages: Any) -> list[Turn]:
        if messages is None:
            return []
        if not isinstance(messages, (list, tuple)) or not messages:
            self.problem("`messages` must be a list of {role, content}")
            return []
        turns = []
        for number, message in enumerate(messages):
            name = f"messages[{number}]"
            if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
                self.problem(f"{name} must be {{role, content}} and nothing else")
            elif message["role"] not in ROLES:
                self.problem(f"{name}: {message['role']!r} is not a role", f"known: {', '.join(ROLES)}")
            else:
                turns.append(self._turn(name, message["role"], message["content"]))
        if turns and not any(turn.role == "user" for turn in turns):
            self.problem("`messages` must hold a user message")
        return turns

    def _turn(self, name: str, role: str, content: Any) -> Turn:
        if not isinstance(content, (list, tuple)):
            return Turn(role, tuple(self._part(name, role, content)))
        parts = [part for n, item in enumerate(content) for part in self._part(f"{name}[{n}]", role, item)]
        return Turn(role, tuple(parts))

    def _part(self, name: str, role: str, content: Any) -> list[Part]:
        if isinstance(content, Mapping) and len(content) == 1:
            ((kind, value),) = content.items()
            if kind in MEDIA and isinstance(value, str):
                self._check(lambda: inner(value, name))
                return [Part(kind, Text(name, role, value))]
            if kind == "file" and isinstance(value, str):
                text = self._check(lambda: self.renderer.read(value, self.base))
                return [] if text is None else [Part("text", Text(f"{name} ({value})", role, text))]
            content = value if kind == "text" else content
        if isinstance(content, str):
            return [Part("text", Text(name, role, content))]
        self.problem(f"{name} must be text, {{file: path}}, {{text: ...}}, {{image: ...}} or {{audio: ...}}")
        return []

    def shots(self, spec: Any) -> Shots:
        if spec is None:
            return Shots()
        if isinstance(spec, int) and not isinstance(spec, bool):
            spec = {"count": spec}
        if not isinstance(spec, Mapping) or set(spec) - {"count", "from", "seed"}:
            self.problem("`shots` must be a number or {count, from, seed}")
            return Shots()
        count, seed = spec.get("count", 0), spec.get("seed", 0)
        if not isinstance(count, int) or not isinstance(seed, int) or count < 0:
            self.problem("`shots`: count must be a whole number of at least 0, seed a whole number")
            return Shots()
        return Shots(count, spec.get("from"), seed)

    def included(self, turns: Sequence[Turn]) -> dict[str, str]:
        found: dict[str, str] = {}
        for part in (part for turn in turns for part in turn.parts):
            template = part.template
            more = self._check(partial(self.renderer.includes, template.text, name=template.name))
            found.update(more or {})
        return found

    def _check(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except ValueError as error:
            self.problem(str(error))
            return None


def _variables(sample: Sample, shots: list[Mapping[str, Any]]) -> dict[str, Any]:
    about = {"id": sample.id, "tags": sample.tags, "meta": sample.meta}
    return {**sample.input, "input": sample.input, "sample": about, "shots": shots}


def _shown(shot: Sample) -> Mapping[str, Any]:
    return {**shot.input, "input": shot.input, "target": answer_text(shot.target)}


def _blobs(found: Any, name: str) -> list[Mapping[str, Any]]:
    blobs = list(found) if isinstance(found, (list, tuple)) else [found]
    for blob in blobs:
        if not isinstance(blob, Mapping) or "$blob" not in blob:
            raise ValueError(f"{name}: {blob!r:.80} is not a reference to a stored file")
    return blobs


def _conversation(sample: Sample) -> list[Message]:
    messages = sample.input.get("messages")
    if not isinstance(messages, (list, tuple)) or not messages:
        raise ValueError("the task has no `prompt`, and the input has no `messages` to pass on")
    for number, message in enumerate(messages):
        if not isinstance(message, Mapping) or message.get("role") not in ROLES or "content" not in message:
            raise ValueError(f"messages[{number}] must have a role ({', '.join(ROLES)}) and content")
    return list(messages)
