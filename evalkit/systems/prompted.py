"""A prompt and a chat model as one candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Protocol

from evalkit.core.errors import ErrorKind
from evalkit.core.keys import digest, sample_hash
from evalkit.core.types import Chat, Context, Failure, Generation, Message, Request, Response, Sample


class Prompt(Protocol):
    """What makes messages of a sample; `hash` changes exactly when the messages may."""

    @property
    def hash(self) -> str: ...
    def messages(self, sample: Sample, shots: Sequence[Sample] = ()) -> list[Message]:
        """The messages for one sample; raises ValueError for a sample that they cannot be made of."""


class Conversation:
    """A prompt that says what the sample's input holds under `messages`, and nothing else."""

    hash = "the sample's own messages"

    def messages(self, sample: Sample, shots: Sequence[Sample] = ()) -> list[Message]:  # noqa: ARG002 - the protocol's
        """The messages as they stand; raises ValueError where there are none."""
        found = sample.input.get("messages")
        if not isinstance(found, Sequence) or isinstance(found, str) or not found:
            raise ValueError(f"sample {sample.id!r} has no messages to be said")
        return list(found)


@dataclass(frozen=True)
class Prompted:
    """Asks a chat model with a prompt (`Candidate`, `Sends` and `Closes` in one).

    `shots` are the examples that the prompt may choose from. With a generation seed, repeat r is asked with seed + r,
    so that repeats differ. `extra` is whatever else decides the answers; it only enters the fingerprint.
    """

    name: str
    chat: Chat
    prompt: Prompt
    generation: Generation = Generation()
    shots: Sequence[Sample] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = field(init=False)
    _seeded: dict[int, Generation] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        shown = [[shot.id, sample_hash(shot)] for shot in self.shots]
        parts = ["prompted", self.chat.fingerprint, self.prompt.hash, asdict(self.generation), shown, self.extra]
        object.__setattr__(self, "fingerprint", digest(parts))

    @property
    def lane(self) -> str:
        """What limits are shared by: the chat's own lane."""
        return self.chat.lane

    @property
    def model(self) -> str:
        """The model that the price table knows."""
        return self.chat.model

    def request(self, sample: Sample, repeat: int) -> Request:
        """The exact request for a sample; raises ValueError when its messages cannot be made."""
        generation = self._generation(repeat)
        tools = sample.input.get("tools")
        if tools:
            generation = replace(generation, tools=_tools(sample.id, tools))
        return self.chat.request(self.prompt.messages(sample, self.shots), generation)

    def messages(self, sample: Sample) -> Sequence[Message]:
        """What it says about a sample; raises ValueError when that cannot be made."""
        return self.prompt.messages(sample, self.shots)

    def conversing(self, generation: Generation | None = None) -> Prompted:
        """The same model asked with the sample's own messages; what `generation` sets goes over its own parameters."""
        chosen = self.generation if generation is None else _over(self.generation, generation)
        return Prompted(self.name, self.chat, Conversation(), chosen, extra=self.extra)

    async def send(self, request: Request) -> Response:
        """One attempt on the wire."""
        return await self.chat.send(request)

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Ask once, outside the engine; a sample that no request can be made of is a failed answer."""
        try:
            request = self.request(sample, ctx.repeat)
        except ValueError as error:
            return Response(error=Failure(ErrorKind.BAD_REQUEST, str(error)))
        return await self.chat.send(request)

    async def close(self) -> None:
        """Close what the chat holds."""
        await self.chat.close()

    def _generation(self, repeat: int) -> Generation:
        if self.generation.seed is None or repeat == 0:
            return self.generation
        known = self._seeded.get(repeat)
        if known is None:
            known = self._seeded[repeat] = replace(self.generation, seed=self.generation.seed + repeat)
        return known


def _over(base: Generation, change: Generation) -> Generation:
    plain = Generation()
    changed = {f.name: getattr(change, f.name) for f in fields(change)}
    return replace(base, **{name: value for name, value in changed.items() if value != getattr(plain, name)})


def _tools(sample_id: str, tools: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(tools, Sequence) or not all(isinstance(tool, Mapping) and "name" in tool for tool in tools):
        raise ValueError(f"sample {sample_id!r}: `tools` must be a list of objects with a name")
    return tuple(tools)
