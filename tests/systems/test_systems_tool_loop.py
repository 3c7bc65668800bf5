from __future__ import annotations

import asyncio
import json

import pytest

from evalkit import registry
from evalkit.core.errors import ErrorKind, Finish
from evalkit.core.types import Failure, Response, Sample
from evalkit.systems._world import World, tools
from evalkit.systems.tool_loop import make, wanted_calls

TASK = Sample("t", {"text": "Please cancel my order A113."})


class Context:
    """Asks directly, and remembers what was asked."""

    seed = repeat = 0

    def __init__(self):
        self.asked = []

    async def ask(self, candidate, sample, stage=""):
        self.asked.append((stage, sample))
        return await candidate.answer(sample, self)


class Scripted:
    """Gives its responses one after the other; the last one again and again."""

    name = fingerprint = "scripted"

    def __init__(self, *responses):
        self.responses = list(responses)

    async def answer(self, sample, ctx):
        return self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]


def play(*responses, **options):
    ctx = Context()
    response = asyncio.run(make({"policy": Scripted(*responses)}, **options).answer(TASK, ctx))
    return response, ctx


def call(name, **arguments):
    return {"id": f"id-{name}", "name": name, "arguments": json.dumps(arguments)}


CANCEL = Response(tool_calls=(call("cancel_order", order_id="A113"),), finish=Finish.TOOL_CALLS)
DONE = Response(output="It is cancelled.", finish=Finish.STOP)


def test_calls_change_the_shop_and_words_end_the_task():
    response, ctx = play(CANCEL, DONE)
    world = World(7)
    world.call("cancel_order", {"order_id": "A113"})
    assert response.output["state"] == world.hash
    assert response.output["answer"] == "It is cancelled."
    assert response.output["steps"] == 1
    assert response.output["calls"][0]["result"] == {"cancelled": "A113"}
    assert response.finish is Finish.STOP
    first, second = (sample.input for _, sample in ctx.asked)
    assert [stage for stage, _ in ctx.asked] == ["policy", "policy"]
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert second["messages"][2]["tool_calls"][0]["id"] == second["messages"][3]["tool_call_id"] == "id-cancel_order"
    assert {tool["name"] for tool in first["tools"]} >= {"cancel_order", "find_customer"}


def test_every_task_begins_in_the_same_state():
    system = make({"policy": Scripted(CANCEL, DONE, CANCEL, DONE)})
    states = [asyncio.run(system.answer(TASK, Context())).output["state"] for _ in range(2)]
    assert states[0] == states[1]


def test_calls_as_json_in_the_text_get_ids():
    text = json.dumps(
        [
            {"name": "get_order", "arguments": {"order_id": "A101"}},
            {"name": "find_product", "arguments": {"name": "rug"}},
        ]
    )
    response, ctx = play(Response(output=text), DONE)
    assert response.output["steps"] == 2
    said = ctx.asked[1][1].input["messages"]
    assert [message["tool_call_id"] for message in said if message["role"] == "tool"] == ["call_0", "call_1"]


def test_a_policy_that_never_ends_is_cut_off():
    response, ctx = play(CANCEL, max_steps=3)
    assert response.finish is Finish.LENGTH
    assert (response.output["answer"], response.output["steps"], len(ctx.asked)) == (None, 3, 3)


def test_a_failed_call_is_a_failed_answer():
    failure = Failure(ErrorKind.TIMEOUT, "too slow")
    response, _ = play(CANCEL, Response(error=failure))
    assert response.error == failure
    assert response.output is None


def test_malformed_arguments_are_told_and_change_nothing():
    broken = Response(tool_calls=({"id": "1", "name": "cancel_order", "arguments": '{"order_id": "A1'},))
    response, ctx = play(broken, DONE)
    assert response.output["state"] == World(7).hash
    said = ctx.asked[1][1].input["messages"]
    assert said[2]["tool_calls"][0]["arguments"] == {}
    assert "no JSON object" in said[3]["content"]


def test_tools_can_be_told_in_words():
    _, ctx = play(DONE, show_tools=True)
    assert "- cancel_order(order_id): Cancel an open order" in ctx.asked[0][1].input["messages"][0]["content"]


@pytest.mark.parametrize(
    ("output", "count"),
    [
        ("words", 0), ("[]", 0), ('{"answer": 1}', 0), ("[1]", 0), ("{", 0), (None, 0), ({"name": "f"}, 1),
        ('<tool_call>{"name": "f"}</tool_call><tool_call>{"name": "g"}</tool_call>', 2),
        ('So:\n```json\n{"name": "f", "arguments": {}}\n```', 1),
    ],
)  # fmt: skip
def test_what_is_a_call_in_a_text(output, count):
    assert len(wanted_calls(Response(output=output))) == count


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("fly", {}, "there is no tool fly"),
        ("get_order", None, "no JSON object"),
        ("get_order", {}, "'order_id' is missing"),
        ("get_order", {"order_id": "A101", "x": 1}, "'x' is unknown"),
        ("get_order", {"order_id": 101}, "must be text"),
        ("give_credit", {"customer_id": "C01", "amount": True}, "must be a whole number"),
        ("get_order", {"order_id": "A999"}, "there is no order A999"),
        ("list_orders", {"customer_id": "C99"}, "there is no customer C99"),
        ("find_customer", {"name": "Zoe"}, "nobody is called Zoe"),
        ("find_product", {"name": "yacht"}, "no product called yacht"),
        ("cancel_order", {"order_id": "A106"}, "A106 is shipped"),
        ("return_order", {"order_id": "A113"}, "A113 is open"),
        ("change_town", {"order_id": "A101", "town": "Lund"}, "only open orders"),
        ("change_quantity", {"order_id": "A113", "sku": "RG-1", "quantity": 1}, "has no RG-1"),
        ("change_quantity", {"order_id": "A113", "sku": "KT-2", "quantity": 0}, "1 or more"),
        ("change_quantity", {"order_id": "A113", "sku": "KT-2", "quantity": 9}, "only 0 more KT-2"),
        ("place_order", {"customer_id": "C01", "sku": "RG-1", "quantity": 4}, "only 2 RG-1"),
        ("give_credit", {"customer_id": "C01", "amount": 51}, "at most 50"),
        ("open_ticket", {"customer_id": "C01", "topic": "weather"}, "topic must be one of"),
    ],
)
def test_the_shop_refuses_and_stays_as_it_was(name, arguments, said):
    world = World(7)
    assert said in world.call(name, arguments)["error"]
    assert world.hash == World(7).hash


def test_a_result_is_no_door_into_the_shop():
    world = World(7)
    world.call("get_order", {"order_id": "A113"})["status"] = "delivered"
    assert world.hash == World(7).hash


def test_lists_and_credit_are_kept():
    world = World(7)
    assert set(world.call("list_orders", {"customer_id": "C01"})) == {"A101", "A113"}
    assert world.call("give_credit", {"customer_id": "C01", "amount": 30})["credit"] == 30
    assert "30 were given" in world.call("give_credit", {"customer_id": "C01", "amount": 30})["error"]


def test_tools_have_closed_schemas():
    assert len(tools()) == 11
    for tool in tools():
        assert tool["description"]
        assert set(tool["parameters"]["required"]) == set(tool["parameters"]["properties"])


@pytest.mark.parametrize(
    ("parts", "options", "words"),
    [
        ({}, {}, "policy is missing"),
        ({"policy": Scripted(DONE), "judge": Scripted(DONE)}, {}, "no role 'judge'"),
        ({"policy": Scripted(DONE)}, {"environment": "moon"}, "'moon' is unknown"),
        ({"policy": Scripted(DONE)}, {"max_steps": 0}, "max_steps=0"),
        ({"policy": Scripted(DONE)}, {"speed": 1}, "unknown option 'speed'"),
    ],
)
def test_wrong_parts_and_options_are_named(parts, options, words):
    with pytest.raises(ValueError, match=words):
        make(parts, **options)


def test_options_and_parts_change_the_fingerprint():
    policy = registry.make("baselines", "scripted_policy")
    hasty = registry.make("baselines", "scripted_policy(looks_up=False)")
    made = [make({"policy": policy}), make({"policy": policy}, seed=8), make({"policy": hasty})]
    assert len({one.fingerprint for one in made}) == 3
    assert make({"policy": policy}).fingerprint == made[0].fingerprint


def test_the_scripted_policy_plays_a_task_to_its_end():
    ctx = Context()
    task = Sample("t", {"text": "This is Henk Iversen. Put two folding chairs on their way to me."})
    response = asyncio.run(make({"policy": registry.make("baselines", "scripted_policy")}).answer(task, ctx))
    assert [one["name"] for one in response.output["calls"]] == ["find_customer", "find_product", "place_order"]
    assert response.output["answer"].startswith("Done.")
