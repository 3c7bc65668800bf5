"""Routers, cascades, fallbacks, votes and councils: who is asked, what is recorded, and what becomes of failures."""

from __future__ import annotations

import asyncio
import json
import math
from types import SimpleNamespace

import pytest

from evalkit import registry
from evalkit.core.capabilities import learns
from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.spec import Spec
from evalkit.core.types import Failure, Generation, Given, Request, Response, Sample
from evalkit.systems._gates import confidence, gates
from evalkit.systems._needs import condition, language, media
from evalkit.systems.fallback import Breaker, Once
from evalkit.systems.prompted import Prompted


class Part:
    """A candidate that answers by a function (or always the same) and remembers what it was asked."""

    def __init__(self, name, tell="ok"):
        self.name = self.fingerprint = name
        self.tell, self.seen = tell, []

    async def answer(self, sample, ctx):
        self.seen.append(sample)
        found = self.tell(sample) if callable(self.tell) else self.tell
        await asyncio.sleep(0)
        return found if isinstance(found, Response) else Response(output=found, usage={"output_tokens": 3}, seconds=1.0)


class Context:
    """Asks parts as they are, and writes down the stages."""

    repeat, seed = 0, 0

    def __init__(self):
        self.stages = []

    async def ask(self, candidate, sample, stage=""):
        self.stages.append(stage)
        return await candidate.answer(sample, self)


def failing(kind=ErrorKind.TIMEOUT, message="too slow"):
    return Response(error=Failure(kind, message, retryable=True))


def system(name, parts, **options):
    return registry.make("systems", Spec(name, None, options), parts=parts)


def ask(candidate, sample="hello", **given):
    ctx = Context()
    one = sample if isinstance(sample, Sample) else Sample("s1", {"text": sample}, **given)
    return asyncio.run(candidate.answer(one, ctx)), ctx


# Rules


@pytest.mark.parametrize(
    ("when", "text", "holds"),
    [
        ("invoice", "Your INVOICE is open", True),
        ({"regex": r"\d{3}"}, "only 12", False),
        ({"words": ["cat", "dog"]}, "a dog barks", True),
        ({"words": "cat"}, "concatenate", False),
        ({"min_length": 5}, "four", False),
        ({"max_length": 4}, "four", True),
        ({"has": "digits"}, "room 7", True),
        ({"has": ["question", "digits"]}, "room seven?", False),
        ({"has": "code"}, "def f(x):\n    return x", True),
        ({"has": "code"}, "the class of 1984 and a for loop", False),
        ({"has": "url"}, "see https://example.org/x", True),
        ({"language": "de"}, "Ich habe das nicht bestellt, bitte", True),
        ({"language": ["de", "fr"]}, "I have not ordered this", False),
        ({"words": "cat", "not": {"has": "digits"}}, "cat 9", False),
        ({"words": "cat", "not": "dog"}, "cat", True),
    ],
)
def test_conditions(when, text, holds):
    assert condition("when", when)(Sample("s", {"text": text})) is holds


def test_conditions_on_what_else_is_there():
    picture = Sample("s", {"text": "x", "deep": [{"image": {"$blob": "ab", "type": "image/png"}}], "tools": [{}]})
    assert condition("w", {"has": ["media", "tools"]})(picture)
    assert media(picture) == {"image"}
    assert media(Sample("s", {"f": {"$blob": "ab", "type": "text/csv"}})) == {"file"}


def test_words_are_found_in_messages_too():
    said = [{"role": "user", "content": "first"}, {"role": "assistant", "content": "no"},
            {"role": "user", "content": [{"type": "text", "text": "last 5"}, {"type": "image", "image": {}}]}]  # fmt: skip
    assert condition("w", {"regex": "^last"})(Sample("s", {"messages": said}))
    assert not condition("w", {"min_length": 1})(Sample("s", {"row": {}}))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Where is the parcel that you sent to me?", "en"),
        ("Je ne peux pas ouvrir la porte avec cette clé", "fr"),
        ("Где моя посылка?", "ru"),
        ("注文した商品が届きません", "ja"),
        ("Pella Corvo", None),
        ("", None),
    ],
)
def test_languages(text, code):
    assert language(text) == code


def router(rules=None, default="b", **parts):
    found = {"a": Part("a", "A"), "b": Part("b", "B"), **parts}
    return system("router", found, rules=rules if rules is not None else [{"when": "x", "to": "a"}], default=default)


def test_the_first_rule_that_fits_decides():
    rules = [{"when": "x", "to": "a"}, {"when": {"has": "digits"}, "to": "b"}]
    response, ctx = ask(router(rules), "x 1")
    assert (response.output, response.meta["route"], response.meta["rule"]) == ("A", "a", 1)
    assert ctx.stages == ["a"]
    assert ask(router(rules), "1")[0].meta["rule"] == 2
    assert ask(router(rules), "none")[0].meta == {"route": "b", "rule": 0}


def test_usage_and_time_are_the_engines():
    response, _ = ask(router())
    assert (response.usage, response.seconds, response.trace) == ({}, None, ())


def test_a_failed_part_is_the_answer_and_says_whose():
    response, _ = ask(router(b=Part("b", failing())))
    assert (response.error.kind, response.meta["route"]) == (ErrorKind.TIMEOUT, "b")


def test_a_router_sees_no_tags_target_or_meta():
    one = Sample("s", {"text": "y"}, target="x", tags=("x",), meta={"route": "x"}, group="x")
    assert ask(router(), one)[0].meta["route"] == "b"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rules": [{"when": "x", "to": "c"}]}, r"rules\[0\].to: there is no part 'c'; parts: a, b"),
        ({"default": ""}, "default: there is no part ''"),
        ({"rules": [{"when": "(", "to": "a"}]}, r"rules\[0\].when.regex: .* is no regular expression"),
        ({"rules": [{"if": "x", "to": "a"}]}, "list of {when: ..., to: role}"),
        ({"rules": [{"when": {}, "to": "a"}]}, r"rules\[0\].when must be"),
        ({"rules": [{"when": {"tag": "x"}, "to": "a"}]}, "unknown condition; known: regex"),
        ({"rules": [{"when": {"has": "smell"}, "to": "a"}]}, "'smell' is unknown; known: code"),
        ({"rules": [{"when": {"language": "xx"}, "to": "a"}]}, "'xx' is unknown"),
        ({"rules": [{"when": {"min_length": -1}, "to": "a"}]}, "number of characters"),
        ({"rules": [{"when": {"words": []}, "to": "a"}]}, "text or a list of texts"),
        ({"rules": [{"when": {"regex": 3}, "to": "a"}]}, "must be a regular expression"),
    ],
)
def test_wrong_rules_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        router(**options)


def test_a_route_with_a_list_of_parts_is_refused():
    with pytest.raises(ValueError, match="parts: a must name one candidate"):
        router(a=(Part("x"), Part("y")))


def test_the_fingerprint_covers_rules_and_parts():
    prints = {router().fingerprint, router(default="a").fingerprint, router([]).fingerprint}
    prints |= {router(b=Part("other")).fingerprint}
    assert len(prints) == 4
    assert router().fingerprint == router().fingerprint


# Random, capability


def test_the_random_router_keeps_its_shares_and_its_draws():
    made = system("random_router", {"a": Part("a"), "b": Part("b")}, shares={"a": 3, "b": 1})
    drawn = [made.route(Sample(f"s{n}", {}), 0) for n in range(2000)]
    assert drawn == [made.route(Sample(f"s{n}", {}), 0) for n in range(2000)]
    assert 0.7 < drawn.count("a") / 2000 < 0.8
    assert drawn != [made.route(Sample(f"s{n}", {}), 1) for n in range(2000)]
    assert ask(system("random_router", {"a": Part("a")}))[0].meta["route"] == "a"


@pytest.mark.parametrize("shares", [{"a": 0}, {"a": True}, {"a": math.inf}, {"c": 1}, [1]])
def test_wrong_shares(shares):
    with pytest.raises(ValueError, match="shares"):
        system("random_router", {"a": Part("a")}, shares=shares)


def test_nobody_to_draw():
    with pytest.raises(ValueError, match="at least one candidate"):
        system("random_router", {})


CAN = {
    "small": {"cost": 1, "languages": ["en"], "max_length": 40},
    "eyes": {"cost": 3, "media": ["image"]},
    "hands": {"cost": 2, "tools": True, "fields": ["tools"]},
}


def capable(can=None):
    parts = {role: Part(role, role) for role in CAN}
    return system("capability_router", parts, can=CAN if can is None else can)


@pytest.mark.parametrize(
    ("given", "role"),
    [
        ({"text": "What is the time?"}, "small"),
        ({"text": "Wo ist denn nur der Zug und das Gleis für mich"}, "eyes"),
        ({"text": "x" * 50}, "eyes"),
        ({"text": "look", "image": {"$blob": "a", "type": "image/png"}}, "eyes"),
        ({"text": "book it", "tools": [{"name": "t"}]}, "hands"),
    ],
)
def test_the_cheapest_that_can_answers(given, role):
    response, _ = ask(capable(), Sample("s", given))
    assert (response.output, response.meta["route"]) == (role, role)


def test_when_none_can_each_is_named_with_what_it_lacks():
    response, ctx = ask(capable(), Sample("s", {"text": "hear", "clip": {"$blob": "a", "type": "audio/flac"}}))
    assert response.error.kind is ErrorKind.CANDIDATE
    assert "small: reading audio; hands: reading audio; eyes: reading audio" in response.error.message
    assert ctx.stages == []


@pytest.mark.parametrize(
    ("can", "words"),
    [
        ({"small": {}}, "can: say what eyes can"),
        ({**CAN, "ears": {}}, "no part 'ears'"),
        ({**CAN, "eyes": {"smell": True}}, "unknown capability; known: cost"),
        ({**CAN, "eyes": {"media": ["smell"]}}, "'smell' is unknown"),
        ({**CAN, "eyes": {"languages": "en"}}, "a list of names"),
        ({**CAN, "eyes": {"cost": "low"}}, "at least 0"),
        ({**CAN, "eyes": {"tools": 1}}, "true or false"),
        ({**CAN, "eyes": 3}, "must be capabilities"),
        ([], "can must be role"),
    ],
)
def test_wrong_capabilities(can, words):
    with pytest.raises(ValueError, match=words):
        capable(can)


# Learned


class Student(Part):
    """A classifier that learns the route of each word."""

    def fit(self, given, seed):
        known = {sample.input["text"]: sample.target for sample in given.train}
        self.taught = [(sample.target, dict(sample.meta)) for sample in given.train]
        return Part("taught", lambda sample: {"label": known.get(sample.input["text"], "a"), "confidence": 0.7})


def learned(classifier, **options):
    return system("learned_router", {"classifier": classifier, "a": Part("a", "A"), "b": Part("b", "B")}, **options)


def taught(classifier, train, **options):
    made = learned(classifier, **options)
    return asyncio.run(made.fit_asking(Given("g", train), 0, Context()))


LESSONS = [Sample("1", {"query": "red"}, "secret", meta={"route": "a"}),
           Sample("2", {"text": "blue"}, {"route": "b"}), Sample("3", {"text": "grey"})]  # fmt: skip


def test_it_learns_routes_and_nothing_else():
    student = Student("student")
    made = taught(student, LESSONS)
    assert student.taught == [("a", {}), ("b", {})]
    response, ctx = ask(made, "blue")
    assert (response.output, response.meta) == ("B", {"route": "b", "likeliest": "b", "confidence": 0.7})
    assert ctx.stages == ["classifier", "b"]


def test_below_the_floor_the_default_answers():
    response, _ = ask(taught(Student("s"), LESSONS, floor=0.8, default="a"), "blue")
    assert (response.output, response.meta["route"], response.meta["likeliest"]) == ("A", "a", "b")


@pytest.mark.parametrize("said", ["b", '{"label": "b", "probabilities": {"a": 0.1, "b": 0.9}}', {"route": "b"}, '"b"'])
def test_a_classifier_that_needs_no_lessons(said):
    made = learned(Part("zero-shot", said), floor=0.5, default="a")
    assert not learns(made)
    assert ask(made)[0].meta["route"] == "b"


def test_a_classifier_sees_neither_target_nor_meta():
    classifier = Part("c", "a")
    ask(learned(classifier), Sample("s", {"query": "q"}, "gold", meta={"route": "b"}))
    assert classifier.seen[0] == Sample("s", {"query": "q", "text": "q"})


def test_an_unknown_route():
    response, _ = ask(learned(Part("c", "z")))
    assert "said 'z', which is no route; routes: a, b" in response.error.message
    assert ask(learned(Part("c", "z"), default="b"))[0].meta["route"] == "b"
    assert ask(learned(Part("c", failing())))[0].error.kind is ErrorKind.TIMEOUT


def test_a_router_that_has_learnt_nothing_says_so():
    assert "has learnt nothing" in ask(learned(Student("s")))[0].error.message
    with pytest.raises(ValueError, match=r"no training sample has a route in meta.route"):
        taught(Student("s"), [Sample("1", {"text": "x"}, "y")])


@pytest.mark.parametrize("options", [{"floor": 2}, {"floor": True}, {"floor": 0.5}, {"default": "c"}])
def test_wrong_floors(options):
    with pytest.raises(ValueError, match=r"floor|default"):
        learned(Part("c"), **options)


# Cascade


def cascade(*steps, gates=("no_refusal",), **more):
    parts = {"steps": tuple(Part(f"p{n}", tell) for n, tell in enumerate(steps)), **more.pop("parts", {})}
    return system("cascade", parts, gates=list(gates), **more)


def test_an_answer_that_passes_ends_the_climb():
    response, ctx = ask(cascade("fine", "strong"))
    assert (response.output, response.meta) == ("fine", {"route": "steps[0]", "escalated": 0, "gates": []})
    assert ctx.stages == ["steps[0]"]


@pytest.mark.parametrize(
    ("gate", "refused", "passed"),
    [
        ("json_valid", "words", '```json\n{"a": 1}\n```'),
        ("json_valid", "3", "[1]"),
        ("no_refusal", "I'm sorry, but no.", "I can do that"),
        ("no_refusal", "", "Sorry is what she said"),
        ({"regex": r"^Answer: \d"}, "Answer: x", "well\nAnswer: 3"),
        ({"min_length": 4}, " no ", "long enough"),
        ({"min_confidence": 0.6}, '{"label": "a", "confidence": 0.5}', '{"label": "a", "probabilities": {"a": 0.7}}'),
        ({"min_confidence": 0.6}, "no word of it", '{"confidence": 0.6}'),
    ],
)
def test_gates(gate, refused, passed):
    response, _ = ask(cascade(refused, "strong", gates=[gate]))
    assert (response.output, response.meta["route"], response.meta["escalated"]) == ("strong", "steps[1]", 1)
    assert len(response.meta["gates"]) == 1
    assert ask(cascade(passed, "strong", gates=[gate]))[0].output == passed


def test_finish_and_log_probabilities_count():
    cut = Response(output="half", finish=Finish.LENGTH)
    assert ask(cascade(cut, "whole", gates=["finished"]))[0].meta["gates"] == ["cut off"]
    filtered = Response(output="x", finish=Finish.CONTENT_FILTER)
    assert ask(cascade(filtered, "y"))[0].meta["gates"] == ["finish content_filter"]
    assert confidence(Response(output="x", logprobs=(-0.1, -0.3))) == pytest.approx(math.exp(-0.2))
    assert confidence(Response(output="x", meta={"confidence": 0.2}, logprobs=(-0.1,))) == 0.2
    assert confidence(Response(output="x")) is None


def test_the_last_step_is_not_judged_and_a_failed_step_goes_on():
    assert ask(cascade("I cannot", "I cannot do it"))[0].output == "I cannot do it"
    response, _ = ask(cascade(failing(), "second"))
    assert (response.output, response.meta["escalated"]) == ("second", 1)
    assert response.meta["gates"] == ["timeout: too slow"]


def test_when_the_strong_one_fails_the_refused_answer_stands():
    response, _ = ask(cascade("I cannot", failing()))
    assert (response.output, response.meta["route"]) == ("I cannot", "steps[0]")
    assert len(response.meta["gates"]) == 2


def test_when_every_step_fails_all_are_named():
    response, _ = ask(cascade(failing(), failing(ErrorKind.CONNECTION, "gone")))
    assert response.error.message == "every step failed: steps[0]: timeout: too slow; steps[1]: connection: gone"


def test_a_spent_budget_ends_the_climb():
    response, ctx = ask(cascade(failing(ErrorKind.BUDGET, "spent"), "never asked"))
    assert (response.error.kind, ctx.stages) == (ErrorKind.BUDGET, ["steps[0]"])


@pytest.mark.parametrize(
    ("said", "passes"),
    [("Yes.", True), ("no, it is wrong", False), ("0.7", True), ('{"score": 0.2}', False), ("Score: 1", True),
     ("perhaps", False), ("7", False), (failing(), False), ('{"score": true}', False), ("0.4", False)],
)  # fmt: skip
def test_a_judge_may_be_a_gate(said, passes):
    judge = Part("judge", said)
    response, ctx = ask(cascade("weak", "strong", gates=["judge"], parts={"judge": judge}), "the task")
    assert (response.output == "weak") is passes
    assert ctx.stages[:2] == ["steps[0]", "judge"]
    assert judge.seen[0].input["answer"] == "weak"
    assert "the task" in judge.seen[0].input["messages"][1]["content"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gates": []}, "at least one gate"),
        ({"gates": ["magic"]}, r"gates\[0\]: 'magic' is no gate; known: json_valid"),
        ({"gates": ["regex"]}, r"gates\[0\]: write \{regex: value\}"),
        ({"gates": [{"regex": "("}]}, "no regular expression"),
        ({"gates": [{"regex": 1}]}, "regex must be text"),
        ({"gates": [{"min_confidence": 2}]}, "from 0 to 1"),
        ({"gates": [{"min_length": 0}]}, "from 1 on"),
        ({"gates": [{"judge": 3}], "parts": {"judge": Part("j")}}, "judge=3"),
        ({"gates": ["judge"]}, "name both or none"),
        ({"parts": {"judge": Part("j")}}, "name both or none"),
        ({"parts": {"jury": Part("j")}}, "there is no role 'jury'"),
    ],
)
def test_wrong_cascades(options, words):
    with pytest.raises(ValueError, match=words):
        cascade("a", "b", **options)


def test_one_step_is_no_cascade():
    with pytest.raises(ValueError, match="steps must name at least 2 candidates"):
        cascade("a")
    assert gates(["judge"]) == ()


# Fallback


def fallback(*members, **options):
    return system("fallback", {"members": tuple(Part(f"p{n}", tell) for n, tell in enumerate(members))}, **options)


@pytest.mark.parametrize(
    "kind", [ErrorKind.RATE_LIMITED, ErrorKind.PROVIDER, ErrorKind.TIMEOUT, ErrorKind.CONNECTION, ErrorKind.MALFORMED]
)
def test_the_next_one_answers(kind):
    response, ctx = ask(fallback(failing(kind), "second"))
    assert (response.output, response.meta["route"], response.meta["escalated"]) == ("second", "members[1]", 1)
    assert response.meta["down"] == [f"members[0] p0: {kind.value}: too slow"]
    assert ctx.stages == ["members[0]", "members[1]"]


def test_other_failures_are_the_answer():
    response, ctx = ask(fallback(failing(ErrorKind.BAD_REQUEST), "second"))
    assert (response.error.kind, ctx.stages) == (ErrorKind.BAD_REQUEST, ["members[0]"])
    assert ask(fallback(failing(), "second", on=["connection"]))[0].error.kind is ErrorKind.TIMEOUT


def test_all_down_names_each():
    response, _ = ask(fallback(failing(), failing(ErrorKind.RATE_LIMITED, "busy")))
    told = "all 2 members are down: members[0] p0: timeout: too slow; members[1] p1: rate_limited: busy"
    assert (response.error.message, response.error.kind, response.error.retryable) == (
        told,
        ErrorKind.RATE_LIMITED,
        False,
    )


def test_a_part_that_keeps_failing_is_left_alone_and_tried_again():
    now = [100.0]
    made = fallback(failing(), "second", failures=2, seconds=10)
    object.__setattr__(made, "breaker", Breaker(2, 10.0, lambda: now[0]))
    assert [len(ask(made)[1].stages) for _ in range(4)] == [2, 2, 1, 1]
    assert "left alone for 10.0 s more" in ask(made)[0].meta["down"][0]
    now[0] += 11
    assert [len(ask(made)[1].stages) for _ in range(2)] == [2, 1], "one trial, which failed"
    now[0] += 11
    made.parts["members"][0].tell = "well again"
    assert [ask(made)[0].output for _ in range(2)] == ["well again", "well again"]


def test_all_left_alone_is_a_failure_too():
    made = fallback(failing(), failing(), failures=1, seconds=60)
    ask(made)
    response, ctx = ask(made)
    assert ctx.stages == []
    assert response.error.message.count("left alone for") == 2


def test_parts_of_another_system_have_their_own_circuit():
    made = fallback(failing(), "x", failures=1, seconds=60)
    ask(made)
    assert made.with_parts(made.parts).breaker.alone(0) is None
    assert made.breaker.alone(0) is not None


class Wire:
    """A part on the wire."""

    name = fingerprint = "wire"
    lane, model = "lane", "m"

    def request(self, sample, repeat):
        return Request("e", {"id": sample.id, "repeat": repeat})

    async def send(self, request):
        return failing()

    async def answer(self, sample, ctx):
        return await self.send(self.request(sample, 0))


def test_a_part_on_the_wire_is_asked_once():
    asked = []

    class Noting(Context):
        async def ask(self, candidate, sample, stage=""):
            asked.append(candidate)
            return await candidate.answer(sample, self)

    parts = {"members": (Wire(), Wire())}
    asyncio.run(system("fallback", parts).answer(Sample("s", {}), Noting()))
    assert [type(one) for one in asked] == [Once, Wire]
    one = asked[0]
    assert (one.lane, one.model, one.fingerprint) == ("lane", "m", "wire")
    assert one.request(Sample("s", {}), 2) == Wire().request(Sample("s", {}), 2)
    assert asyncio.run(one.send(one.request(Sample("s", {}), 0))).error.retryable is False
    asked.clear()
    asyncio.run(system("fallback", parts, retries=True).answer(Sample("s", {}), Noting()))
    assert [type(one) for one in asked] == [Wire, Wire]


@pytest.mark.parametrize("options", [{"on": ["auth"]}, {"on": []}, {"failures": 0}, {"seconds": -1}])
def test_wrong_fallbacks(options):
    with pytest.raises(ValueError, match=r"on:|failures|seconds"):
        fallback("a", "b", **options)


# Vote


def vote(*members, **options):
    return system("vote", {"members": tuple(Part(f"p{n}", tell) for n, tell in enumerate(members))}, **options)


def test_the_majority_wins_word_for_word():
    response, ctx = ask(vote("No", "Yes!", "yes"))
    assert (response.output, response.meta["route"]) == ("Yes!", "members[1]")
    assert (response.meta["votes"], response.meta["agreement"]) == ({"no": 1, "yes": 2}, pytest.approx(2 / 3))
    assert ctx.stages == ["members[0]", "members[1]", "members[2]"]


@pytest.mark.parametrize(
    ("normaliser", "alike", "different"),
    [
        ("strip", (" a ", "a"), ("A", "a")),
        ("casefold", ("Is it?", "is it"), ("is it", "is  not")),
        ("number", ("It is 1,000.0", "Answer: 1000 in 3 steps"), ("2", "3")),
        ("number", ("none", "None."), ("none", "some")),
        ("line", ("so\nPARIS.", "answer is Paris"), ("Paris", "Rome")),
        ("json", ('{"a": "X ", "b": null}', {"a": "x"}), ('{"a": 1}', '{"a": 2}')),
        ("json", ("[2.0]", "```\n[2]\n```"), ("words", "other words")),
        ("label", ('{"label": "A", "confidence": 1}', "a"), ("a", "b")),
    ],
)
def test_normalisers(normaliser, alike, different):
    assert ask(vote(*alike, normaliser=normaliser))[0].meta["agreement"] == 1
    assert ask(vote(*different, normaliser=normaliser))[0].meta["agreement"] == 0.5


def test_ties_are_declared():
    assert ask(vote("b", "a"))[0].output == "b"
    response, _ = ask(vote("b", "a", ties="none"))
    assert (response.output, response.finish, response.meta["tied"]) == (None, Finish.REFUSAL, ["b", "a"])


def test_failed_members_do_not_vote():
    response, _ = ask(vote(failing(), "a", "b", "b"))
    assert (response.output, response.meta["agreement"]) == ("b", pytest.approx(2 / 3))
    assert response.meta["failed"] == ["members[0] p0: timeout: too slow"]
    message = ask(vote(failing(), failing(), "a", quorum=2))[0].error.message
    assert message.startswith("only 1 of 3 answered, 2 are needed: members[0] p0: timeout")
    assert ask(vote(failing(ErrorKind.BUDGET), "a"))[0].error.kind is ErrorKind.BUDGET


def test_one_member_may_be_asked_often_and_side_by_side():
    said = iter("abb")
    one = Part("p", lambda sample: next(said))
    response, ctx = ask(system("vote", {"members": one}, samples=3))
    assert (response.output, ctx.stages) == ("b", ["members[0]"] * 3)


def test_members_are_asked_side_by_side():
    together = []

    class Slow(Part):
        async def answer(self, sample, ctx):
            together.append(self.name)
            await asyncio.sleep(0)
            assert len(together) == 3
            return Response(output="x")

    assert ask(system("vote", {"members": tuple(Slow(str(n)) for n in range(3))}))[0].output == "x"


@pytest.mark.parametrize(
    "options", [{"samples": 0}, {"quorum": 9}, {"normaliser": "x"}, {"ties": "x"}, {"quorum": True}]
)
def test_wrong_votes(options):
    with pytest.raises(ValueError, match=r"samples|quorum|normaliser|ties"):
        vote("a", "b", **options)
    with pytest.raises(ValueError, match="too few for a vote"):
        vote("a")


# Council


class Chat:
    """A chat that repeats the last message it was told."""

    lane = model = fingerprint = "chat"

    def request(self, messages, generation):
        return Request("chat", {"messages": list(messages), "max_tokens": generation.max_tokens})

    async def send(self, request):
        return Response(output=f"after {len(request.body['messages'])}: {request.body['messages'][-1]['content'][:9]}")

    async def close(self):
        pass


def prompted():
    told = SimpleNamespace(
        hash="h", messages=lambda sample, shots: [{"role": "system", "content": "suite's"}, {"role": "user", "content": sample.input["text"]}]
    )  # fmt: skip
    return Prompted("writer", Chat(), told, Generation(max_tokens=50))


def council(writer, *reviewers, **options):
    parts = {"writer": writer, "reviewers": tuple(Part(f"r{n}", tell) for n, tell in enumerate(reviewers))}
    return system("council", parts, **options)


def test_remarks_go_back_to_the_writer_who_goes_on_with_its_conversation():
    made = council(prompted(), "too short", "OK.")
    response, ctx = ask(made, "write")
    assert ctx.stages == ["write", "reviewers[0]", "reviewers[1]", "revise"]
    # system, user, its draft, the remarks
    assert response.output == "after 4: Reviewers"
    assert (response.meta["rounds"], response.meta["remarks"], response.meta["agreed"]) == (1, [["too short"]], False)
    seen = made.parts["reviewers"][0].seen[0].input
    assert (seen["text"], seen["answer"]) == ("write", "after 2: write")


def test_agreement_ends_the_rounds():
    response, ctx = ask(council(Part("w", "draft"), "OK", "ok!", rounds=5))
    assert ctx.stages == ["write", "reviewers[0]", "reviewers[1]"]
    assert (response.output, response.meta["agreed"], response.meta["rounds"]) == ("draft", True, 0)


def test_rounds_are_bounded_and_remarks_reach_a_writer_that_is_no_chat():
    drafts = iter(["one", "two", "three"])
    writer = Part("w", lambda sample: next(drafts))
    response, ctx = ask(council(writer, "again", rounds=2))
    assert (response.output, response.meta["rounds"]) == ("three", 2)
    assert (writer.seen[2].input["remarks"], writer.seen[2].input["answer"]) == (["again"], "two")
    assert ctx.stages.count("revise") == 2


def test_failures_in_a_council():
    assert ask(council(Part("w", failing()), "x"))[0].error.kind is ErrorKind.TIMEOUT
    response, _ = ask(council(Part("w", "draft"), failing()))
    assert (response.output, response.meta["failed"]) == ("draft", ["reviewers[0]: timeout: too slow"])
    said = iter(["draft", failing()])
    response, _ = ask(council(Part("w", lambda sample: next(said)), "no"))
    assert (response.output, response.meta["failed"]) == ("draft", ["writer: timeout: too slow"])
    assert ask(council(Part("w", "d"), failing(ErrorKind.BUDGET)))[0].error.kind is ErrorKind.BUDGET
    spent = iter(["draft", failing(ErrorKind.BUDGET)])
    assert ask(council(Part("w", lambda sample: next(spent)), "no"))[0].error.kind is ErrorKind.BUDGET


@pytest.mark.parametrize("options", [{"rounds": 0}, {"remark_tokens": 0}, {"revising": "go on"}])
def test_wrong_councils(options):
    with pytest.raises(ValueError, match=r"rounds|remark_tokens|remarks"):
        council(Part("w"), "x", **options)


@pytest.mark.parametrize("name", ["router", "random_router", "capability_router", "learned_router", "cascade", "fallback", "vote", "council"])  # fmt: skip
def test_an_unknown_option_is_named(name):
    parts = {
        "cascade": {"steps": (Part("a"), Part("b"))}, "fallback": {"members": (Part("a"), Part("b"))},
        "vote": {"members": (Part("a"), Part("b"))}, "council": {"writer": Part("a"), "reviewers": (Part("b"),)},
    }.get(name, {"a": Part("a"), "classifier": Part("c")})  # fmt: skip
    with pytest.raises(ValueError, match="unknown option 'colour'"):
        system(name, parts, colour="red")


def test_answers_survive_json():
    response, _ = ask(vote("a", "b"))
    assert json.loads(json.dumps(response.meta)) == dict(response.meta)
