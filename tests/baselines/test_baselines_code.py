"""The search for programs finds what its steps can make, generalises no further than that, and fails in words."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace

import pytest

from evalkit import registry
from evalkit.baselines import _code_parts
from evalkit.core.types import Sample
from evalkit.sandbox.sandbox import Sandbox

CTX = SimpleNamespace(seed=0, repeat=0, sandbox=Sandbox())


def answer(text, examples, signature=None, spec="code_search", target=None):
    told = {"text": text, "examples": examples} | ({"signature": signature} if signature else {})
    return asyncio.run(registry.make("baselines", spec).answer(Sample("s", told, target), CTX))


def program(*args, **more):
    found = answer(*args, **more).output
    return re.fullmatch(r"```python\n(.*)\n```", found, re.DOTALL)[1]


def passes(text, examples, tests, signature=None, **more):
    """Whether the program that is found passes other tests, in the sandbox."""
    found = answer(text, examples, signature, **more)
    target = {"tests": tests} | ({"function": signature[4:].partition("(")[0]} if signature else {})
    scorer = registry.make("scorers", "tests_pass(compare='lines')")
    return asyncio.run(scorer.score(Sample("s", {}, target), (found,), CTX))["tests_pass"].value


def io(*pairs):
    return [{"input": given, "output": wanted} for given, wanted in pairs]


def calls(*pairs):
    return [{"args": list(args), "value": value} for *args, value in pairs]


def test_programs_from_input_to_output():
    assert passes(
        "Add up the numbers", io(("1 2\n", "3\n"), ("4 5 6\n", "15\n")), io(("7\n", "7\n"), ("1 1 1 1\n", "4\n"))
    )
    assert passes("Sort the words", io(("b a\n", "a b\n"), ("z x y\n", "x y z\n")), io(("q p\n", "p q\n")))
    assert passes(
        "Is it even?", io(("4\n", "YES\n"), ("7\n", "NO\n"), ("9\n", "NO\n")), io(("10\n", "YES\n"), ("3\n", "NO\n"))
    )
    assert passes("Turn the rows", io(("3\n", "1\n2\n3\n"), ("2\n", "1\n2\n")), io(("5\n", "1\n2\n3\n4\n5\n")))


def test_functions_of_one_and_two_arguments():
    assert passes("Shout", calls(["ab", "AB"], ["xY", "XY"]), calls(["q", "Q"]), "def shout(text):")
    assert passes(
        "The greatest common divisor",
        calls([12, 8, 4], [9, 6, 3], [7, 5, 1]),
        calls([100, 75, 25]),
        "def common(a, b):",
    )
    assert passes(
        "Sum of each row",
        calls([[[1, 2], [3]], [3, 3]], [[[0], [5, 5]], [0, 10]]),
        calls([[[1]], [1]]),
        "def rows(table):",
    )
    assert passes("Nothing to do", calls([[1, 2], [1, 2]], [[3], [3]]), calls([[], []]), "def same(x):")


def test_words_of_the_statement_decide_between_programs_that_fit():
    examples = calls([[1, 3], 2], [[5], 5])
    assert "median" in program("Return the median.", examples, "def middle(x):")
    assert "mean" in program("Return the average.", examples, "def middle(x):")


def test_fewer_steps_find_less():
    examples, tests = io(("1 2 3 4\n", "6\n"), ("7 -8 10\n", "2\n")), io(("2 2 5\n", "4\n"))
    assert passes("The sum of the even ones", examples, tests, spec="code_search") == 1
    assert passes("The sum of the even ones", examples, tests, spec="code_search(depth=1)") == 0


def test_where_nothing_fits_the_answer_knows_the_examples_only():
    examples = io(("one\n", "seventeen\n"), ("two\n", "blue\n"))
    assert passes("Guess", examples, examples) == 1
    assert passes("Guess", examples, io(("three\n", "x\n"))) == 0
    named = calls(["a", 1, "q"], ["b", 2, "zz"])
    assert passes("Guess", named, named, "def guess(x, y):") == 1
    assert passes("Guess", named, calls(["c", 3, "!"]), "def guess(x, y):") == 0


@pytest.mark.parametrize("examples", [None, [], "x", [{"input": "1"}], [{"args": [1], "value": 1}]])
def test_without_examples_there_is_nothing_to_search_by(examples):
    found = answer("Add", examples)
    assert "sample 's' has no input field `examples` with 'input' and 'output'" in found.error.message
    assert (
        "no text" in asyncio.run(registry.make("baselines", "code_search").answer(Sample("s", {}), CTX)).error.message
    )


@pytest.mark.parametrize("depth", [0, 5, True, "2"])
def test_depth_is_a_small_number(depth):
    with pytest.raises(ValueError, match="depth="):
        registry.make("baselines", f"code_search(depth={depth!r})")


def test_every_step_gives_what_it_promises_for_some_value():
    values = {
        "text": ["ab", "A b", "12", "3,4", "1 -2", "1 2 2", "101", "a:b", "xyx", "()"],
        "number": [0, 1, 7, 8, 12, 2024],
        "numbers": [[3, 1, 2], [1, 1], [-4, 0, 4], [2, 2, 3]],
        "words": [["b", "a"], ["1", "2"], ["x", "x"]],
        "table": [[[1, 2], [3, 4]]],
        "pair": [(3, 2), ("ab", "ba"), ("ab", 2), ([1, 2, 2], 2), ([1, 2], [2, 3]), ("abc", "abd")],
    }
    count = 0
    for takes, steps in _code_parts.steps().items():
        for step in steps:
            kinds = set()
            for value in values[takes]:
                try:
                    kinds.add(_code_parts.kind_of(step.run(value)))
                except (ValueError, TypeError, IndexError, AttributeError, ArithmeticError):
                    continue
            assert step.gives in kinds, step
            count += 1
    assert count >= 150


def test_kinds_of_values():
    kinds = [
        _code_parts.kind_of(value) for value in (True, 1, 1.5, "x", [], [1, 2.0], ["a"], [[1]], [1, "a"], {}, None)
    ]
    assert kinds == ["truth", "number", "number", "text", "numbers", "numbers", "words", "table", None, None, None]
    with pytest.raises(ValueError, match="too large"):
        _code_parts.small(10**9)


def test_the_reference_is_answered_as_it_stands():
    found = answer("Any", io(("1", "1")), spec="code_reference", target={"reference": "print(1)\n"})
    assert found.output == "```python\nprint(1)\n```"
    for target in (None, {}, {"reference": 3}, "print(1)"):
        found = answer("Any", io(("1", "1")), spec="code_reference", target=target)
        assert "sample 's' has no `reference` in its target" in found.error.message
