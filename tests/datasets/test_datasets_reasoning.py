from __future__ import annotations

import ast
import json
import math
from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from itertools import combinations, permutations, product
from pathlib import Path

import pytest

from evalkit import registry
from evalkit.core.types import Sample
from evalkit.scorers import _math, _math_child

ROOT = Path(__file__).parents[2]
ITEMS = [json.loads(line) for line in (ROOT / "datasets/reasoning/problems.jsonl").read_text("utf-8").splitlines()]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
KNOWN = {
    "F": Fraction, "gcd": math.gcd, "lcm": math.lcm, "comb": math.comb, "perm": math.perm, "fact": math.factorial,
    "sqrt": math.sqrt, "pi": math.pi, "date": date, "days": timedelta, "permutations": permutations, "product": product,
    "weekday_name": WEEKDAYS.__getitem__, "clock": lambda minutes: f"{minutes // 60 % 24:02d}:{minutes % 60:02d}",
    "all": all, "any": any, "int": int, "len": len, "max": max, "min": min, "range": range, "set": set, "str": str,
    "sum": sum,
}  # fmt: skip
ATTRIBUTES = {"days", "weekday", "index"}
NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.Constant, ast.Name, ast.List, ast.Tuple,
    ast.Subscript, ast.ListComp, ast.GeneratorExp, ast.comprehension, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
    ast.expr_context, ast.Attribute,
)  # fmt: skip


def computed(check, **more):
    """The value of a check: arithmetic, comprehensions and the functions above, nothing else."""
    tree = ast.parse(check, mode="eval")
    for node in ast.walk(tree):
        assert isinstance(node, NODES), f"{type(node).__name__} in {check}"
        assert not isinstance(node, ast.Attribute) or node.attr in ATTRIBUTES, check
    return eval(compile(tree, "check", "eval"), {"__builtins__": {}, **KNOWN, **more})


def tag(item, name):
    return next(tag.split(":")[1] for tag in item["tags"] if tag.startswith(f"{name}:"))


@pytest.mark.parametrize("check", ["__import__('os')", "().__class__", "open('x')", "(lambda: 1)()"])
def test_a_check_computes_and_does_nothing_else(check):
    with pytest.raises((AssertionError, NameError)):
        computed(check)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["id"])
def test_every_answer_is_computed_again(item):
    check, target, kind = item["meta"]["check"], item["target"], tag(item, "answer")
    if kind == "word":
        assert computed(check) == target
    elif kind == "expression":
        (expression, *_) = _math_child.parse(_math.gold(target))
        for x in (2, 5, 7.5) if "x" in check else (0,):
            assert float(expression.subs(dict.fromkeys(expression.free_symbols, x))) == pytest.approx(
                float(computed(check, x=x))
            )
    else:
        assert float(computed(check)) == pytest.approx(float(Fraction(str(target))), rel=1e-12)


def test_there_are_enough_of_every_kind_and_grade():
    assert len(ITEMS) >= 120
    assert len({item["id"] for item in ITEMS}) == len(ITEMS)
    kinds = Counter(tag(item, "kind") for item in ITEMS)
    assert len(kinds) >= 8
    assert min(kinds.values()) >= 10
    grades = Counter(tag(item, "difficulty") for item in ITEMS)
    assert set(grades) == set("12345")
    assert min(grades.values()) >= 15
    assert {tag(item, "answer") for item in ITEMS} == {"number", "fraction", "expression", "word"}


def shingles(text):
    words = [
        "<number>" if any(c.isdigit() for c in word) else word.lower().strip(".,;:!?\"'()") for word in text.split()
    ]
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def test_no_two_problems_are_made_of_one_template():
    shown = [(item["id"], shingles(item["input"]["text"])) for item in ITEMS]
    alike = [(a[0], b[0]) for a, b in combinations(shown, 2) if len(a[1] & b[1]) > 0.6 * len(a[1] | b[1])]
    assert alike == []


def solved(baseline):
    made = registry.make("baselines", baseline)
    right = Counter()
    for item in ITEMS:
        found = _math.verdict(str(item["target"]), made.reply(item["input"]["text"]), _math.MARKERS, 20)
        right[tag(item, "difficulty")] += found.value or 0
    return right


def test_the_weak_solver_solves_some_and_the_strong_one_many():
    weak, strong = solved("arithmetic_solver"), solved("rule_solver")
    assert 0.08 <= sum(weak.values()) / len(ITEMS) <= 0.25
    assert 0.3 <= sum(strong.values()) / len(ITEMS) <= 0.65
    total = Counter(tag(item, "difficulty") for item in ITEMS)
    share = [strong[grade] / total[grade] for grade in "12345"]
    assert share == sorted(share, reverse=True), "harder problems are solved less often"


def test_targets_are_readable():
    problem = registry.make("scorers", "math_equal").problem
    assert [problem(Sample(item["id"], item["input"], item["target"])) for item in ITEMS] == [None] * len(ITEMS)
