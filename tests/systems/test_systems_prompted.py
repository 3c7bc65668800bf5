from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from evalkit.core.errors import ErrorKind
from evalkit.core.types import Candidate, Closes, Generation, Request, Response, Sample, Sends
from evalkit.systems.prompted import Prompted


class EchoChat:
    lane = "lane"
    model = "model"

    def __init__(self, fingerprint="chat"):
        self.fingerprint = fingerprint
        self.closed = 0

    def request(self, messages, generation):
        return Request("echo", {"messages": messages, "seed": generation.seed})

    async def send(self, request):
        return Response(output=request.body["messages"][-1]["content"])

    async def close(self):
        self.closed += 1


class TextPrompt:
    def __init__(self, content_hash="prompt"):
        self.hash = content_hash

    def messages(self, sample, shots=()):
        if "text" not in sample.input:
            raise ValueError(f"sample {sample.id!r} has no text")
        return [{"role": "user", "content": "".join(s.id for s in shots) + sample.input["text"]}]


SAMPLE = Sample("s1", {"text": "hello"})
SHOT = Sample("t1", {"text": "shot"}, "y")


def prompted(**given):
    return Prompted("p", given.pop("chat", EchoChat()), given.pop("prompt", TextPrompt()), **given)


def test_is_every_kind_that_the_engine_asks_for():
    candidate = prompted()
    assert isinstance(candidate, Candidate)
    assert isinstance(candidate, Sends)
    assert isinstance(candidate, Closes)
    assert (candidate.name, candidate.lane, candidate.model) == ("p", "lane", "model")


def test_repeats_move_the_seed_only_when_there_is_one():
    seeded = prompted(generation=Generation(seed=5))
    assert [seeded.request(SAMPLE, r).body["seed"] for r in (0, 1, 2, 1)] == [5, 6, 7, 6]
    assert [prompted().request(SAMPLE, r).body["seed"] for r in (0, 1)] == [None, None]


def test_fingerprint_follows_everything_that_decides():
    first = prompted().fingerprint
    assert prompted().fingerprint == first
    others = [
        prompted(chat=EchoChat("other")),
        prompted(prompt=TextPrompt("other")),
        prompted(generation=Generation(temperature=0.0)),
        prompted(generation=Generation(schema={"type": "object"})),
        prompted(shots=[SHOT]),
        prompted(shots=[Sample("t1", {"text": "shot"}, "n")]),
        prompted(extra={"extract": "json"}),
    ]
    assert len({first, *(other.fingerprint for other in others)}) == 8


def test_asks_and_closes():
    chat = EchoChat()
    candidate = prompted(chat=chat, shots=[SHOT])
    ctx = SimpleNamespace(repeat=0)
    assert asyncio.run(candidate.answer(SAMPLE, ctx)).output == "t1hello"
    assert asyncio.run(candidate.send(candidate.request(SAMPLE, 0))).output == "t1hello"
    failed = asyncio.run(candidate.answer(Sample("s2", {}), ctx))
    assert failed.error.kind is ErrorKind.BAD_REQUEST
    assert "'s2' has no text" in failed.error.message
    with pytest.raises(ValueError, match="'s2'"):
        candidate.request(Sample("s2", {}), 0)
    asyncio.run(candidate.close())
    assert chat.closed == 1
