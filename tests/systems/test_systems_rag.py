"""The system `rag`: what its parts are asked, what becomes of what they say, and of parts that fail."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.core.capabilities import learns
from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Failure, Given, Response, Sample
from evalkit.systems._cited import understood
from evalkit.systems.rag import rendered

TEXTS = {"pool": "The pool closes on 3 May for repairs.", "tea": "Tea costs 2 euros.", "zoo": "The zoo opens at nine."}
CORPUS = [Sample(ident, {"title": ident.title(), "text": text}) for ident, text in TEXTS.items()]
GIVEN = Given("g", (), CORPUS)
IDS = ["a#1", "b#1", "c#1"]


class Part:
    """A candidate that answers by a function and remembers what it was asked."""

    def __init__(self, name, tell):
        self.name = self.fingerprint = name
        self.tell, self.seen = tell, []

    async def answer(self, sample, ctx):
        self.seen.append(sample)
        found = self.tell(sample)
        return found if isinstance(found, Response) else Response(output=found)


class Context:
    """Asks parts as they are, and writes down the stages."""

    repeat = 0

    def __init__(self):
        self.stages = []

    async def ask(self, candidate, sample, stage=""):
        self.stages.append(stage)
        return await candidate.answer(sample, self)


def rag(retriever, reader, **options):
    return registry.module("systems", "rag").make({"retriever": retriever, "reader": reader}, **options)


def finder(*ids):
    return Part("finder", lambda _: {"ranking": [[ident, 9.0 - place] for place, ident in enumerate(ids)]})


def answered(system, fields=None, ctx=None):
    ctx = ctx or Context()
    fitted = asyncio.run(system.fit_asking(GIVEN, 1, ctx))
    fields = {"question": "When does the pool close?"} if fields is None else fields
    return asyncio.run(fitted.answer(Sample("q", fields, {"answer": "secret"}, tags=("kind:x",)), ctx))


def test_real_parts_answer_cite_and_abstain():
    parts = (registry.make("baselines", "bm25"), registry.make("baselines", "extractive_reader"))
    ctx, system = Context(), rag(*parts, k=2)
    assert learns(system)
    response = answered(system, ctx=ctx)
    assert ctx.stages == ["retrieve", "read"]
    assert response.output["citations"] == ["pool"]
    assert "3 May" in response.output["answer"]
    assert response.meta["ranking"][0][0] == "pool"
    assert response.meta["passages"][0] == {"id": "pool", "title": "Pool", "text": TEXTS["pool"]}
    assert response.meta["index_bytes"] > 0
    absent = answered(system, {"question": "Who painted purple elephants upstairs?"})
    assert absent.output == {"answer": None, "citations": []}
    assert absent.meta["passages"] == []


def test_the_parts_see_what_they_need_and_never_the_target():
    first, reader = finder("tea", "pool", "zoo"), Part("reader", lambda _: {"answer": "3 May", "citations": [2]})
    response = answered(rag(first, reader, k=2, longest=8))
    assert first.seen[0].input == {"query": "When does the pool close?", "text": "When does the pool close?"}
    asked = reader.seen[0]
    assert (asked.id, asked.target, asked.tags) == ("q", None, ("kind:x",))
    assert [one["id"] for one in asked.input["passages"]] == ["tea", "pool"]
    assert [one["text"] for one in asked.input["passages"]] == ["Tea cost", "The pool"]
    assert asked.input["text"] == "[1] Tea: Tea cost\n[2] Pool: The pool\nQuestion: When does the pool close?"
    assert response.output == {"answer": "3 May", "citations": ["pool"]}
    assert [ident for ident, _ in response.meta["ranking"]] == ["tea", "pool", "zoo"]


def test_other_field_names_are_options():
    corpus = [Sample("a", {"head": "H", "body": "B b"}), Sample("b", {"body": "C"})]
    reader = Part("reader", lambda _: "B [1]")
    system = rag(finder("a", "b"), reader, query="q", title="head", text="body")
    fitted = asyncio.run(system.fit_asking(Given("g", (), corpus), 1, Context()))
    response = asyncio.run(fitted.answer(Sample("s", {"q": "what?"}), Context()))
    assert reader.seen[0].input["passages"][1] == {"id": "b", "title": "", "text": "C"}
    assert response.output == {"answer": "B", "citations": ["a"]}


@pytest.mark.parametrize(
    ("said", "answer", "citations"),
    [
        ({"answer": "x", "citations": [1, "3", "[2]", 1]}, "x", ["a#1", "c#1", "b#1"]),
        ({"answer": None, "citations": []}, None, []),
        ({"answer": None}, None, []),
        ({"answer": 70}, "70", []),
        ({"answer": "x", "citations": "[1], [2]"}, "x", ["a#1", "b#1"]),
        ({"answer": "x", "sources": ["b#1"]}, "x", ["b#1"]),
        ({"answer": "x", "citations": [{"id": "c#1"}, {"passage": 1}]}, "x", ["c#1", "a#1"]),
        ({"answer": "x", "citations": [0, 9, "other#7"]}, "x", ["[0]", "[9]", "other#7"]),
        ({"answer": "x", "citations": None}, "x", []),
        ({"answer": "It is x [2]."}, "It is x.", ["b#1"]),
        ('{"answer": "x", "citations": [3]}', "x", ["c#1"]),
        ('Sure!\n```json\n{"answer": "x", "citations": [1]}\n```', "x", ["a#1"]),
        ('Here it is: {"answer": "x", "citations": [2]} as asked', "x", ["b#1"]),
        ('<think>{"answer": "no"}</think>{"answer": null}', None, []),
        ("It closes on 3 May [1], says the notice [1, 3].", "It closes on 3 May, says the notice.", ["a#1", "c#1"]),
        ("A list [12] of things", "A list [12] of things", []),
        ("null", "null", []),
    ],
)
def test_readers_are_read_leniently(said, answer, citations):
    assert understood(said, IDS) == {"answer": answer, "citations": citations}


@pytest.mark.parametrize(
    "said", ["", "  ", '{"answer": "cut', '{"text": "x"}', "[1, 2]", "<think>hm", 7, None, ["x"], {"answer": ["x"]}, {}]
)
def test_what_is_no_answer_is_handed_on_as_it_stands(said):
    assert understood(said, IDS) == said


@settings(max_examples=50)
@given(st.recursive(st.none() | st.text() | st.integers() | st.booleans(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=6))  # fmt: skip
def test_no_citation_makes_the_reading_fail(cited):
    found = understood({"answer": "x", "citations": cited}, IDS)
    assert len(set(found["citations"])) == len(found["citations"])
    assert all(isinstance(one, str) for one in found["citations"])


def test_an_unreadable_answer_keeps_why_it_ended():
    response = answered(rag(finder("pool"), Part("r", lambda _: Response(output='{"answer": "c', finish=Finish.LENGTH))))  # fmt: skip
    assert (response.output, response.finish) == ('{"answer": "c', Finish.LENGTH)
    refused = answered(rag(finder("pool"), Part("r", lambda _: Response(finish=Finish.REFUSAL))))
    assert (refused.output, refused.finish) == (None, Finish.REFUSAL)


def limited(_):
    return Response(error=Failure(ErrorKind.RATE_LIMITED, "slow down", status=429))


@pytest.mark.parametrize(
    ("retriever", "reader", "kind", "words"),
    [
        (Part("f", limited), Part("r", lambda _: "x"), ErrorKind.RATE_LIMITED, "slow down"),
        (finder("pool"), Part("r", limited), ErrorKind.RATE_LIMITED, "slow down"),
        (finder("pool", "gone"), Part("r", lambda _: "x"), ErrorKind.CANDIDATE, "'gone', which is not in the corpus"),
        (Part("f", lambda _: "prose"), Part("r", lambda _: "x"), ErrorKind.CANDIDATE, "did not answer with a ranking"),
    ],
)
def test_a_stage_that_fails_is_the_answers_failure(retriever, reader, kind, words):
    response = answered(rag(retriever, reader))
    assert response.error.kind is kind
    assert words in response.error.message
    if reader.seen:
        assert response.meta["passages"][0]["id"] == "pool"


def test_without_a_question_or_a_corpus_the_reason_is_said():
    system = rag(finder("pool"), Part("r", lambda _: "x"))
    assert "no query in input field 'question'" in answered(system, {"other": 1}).error.message
    unfitted = asyncio.run(system.answer(Sample("q", {"question": "x"}), Context()))
    assert "has learnt nothing" in unfitted.error.message
    nothing = asyncio.run(system.fit_asking(Given("g", ()), 1, Context()))
    response = asyncio.run(nothing.answer(Sample("q", {"question": "x"}), Context()))
    assert "nothing to search in" in response.error.message


def test_a_list_of_ids_is_a_ranking_and_nothing_found_is_read_too():
    reader = Part("r", lambda sample: {"answer": None if not sample.input["passages"] else "x"})
    assert answered(rag(Part("f", lambda _: ["zoo"]), reader)).output["answer"] == "x"
    empty = answered(rag(Part("f", lambda _: {"ranking": []}), reader))
    assert (empty.output, empty.meta["ranking"]) == ({"answer": None, "citations": []}, [])


@pytest.mark.parametrize(
    ("parts", "options", "words"),
    [
        (("retriever",), {}, "parts: reader is missing"),
        (("retriever", "reader", "judge"), {}, "no role 'judge'"),
        (("retriever", "reader"), {"k": 0}, "k=0 must be a whole number from 1 on"),
        (("retriever", "reader"), {"longest": True}, "longest=True"),
        (("retriever", "reader"), {"kk": 2}, "unknown option 'kk'"),
    ],
)
def test_options_and_parts_are_checked(parts, options, words):
    with pytest.raises(ValueError, match=words):
        registry.module("systems", "rag").make({role: finder("a") for role in parts}, **options)


def test_the_fingerprint_covers_parts_options_and_corpus():
    reader = Part("r", lambda _: "x")
    prints = {rag(finder("pool"), reader, k=k).fingerprint for k in (2, 3)}
    prints |= {rag(finder("pool"), Part("s", lambda _: "x"), k=2).fingerprint}
    told = [asyncio.run(rag(finder("pool"), reader).fit_asking(Given(g, (), CORPUS), 1, Context())) for g in "gh"]
    assert len(prints | {one.fingerprint for one in told}) == 5
    assert rendered("q?", []) == "Question: q?"
