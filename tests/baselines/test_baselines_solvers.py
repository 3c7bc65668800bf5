from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.baselines import _solve_algebra, _solve_numbers, _solve_world
from evalkit.baselines._numbers_in_text import numbers, reckoned, shown
from evalkit.baselines._slots import fill

WEAK, STRONG = registry.make("baselines", "arithmetic_solver"), registry.make("baselines", "rule_solver")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Six crates, twenty-five nails and 3/8 of a ton", [6, 25, Fraction(3, 8)]),
        ("minus 7 degrees, then -3 and 2.5", [-7, -3, Fraction(5, 2)]),
        ("at 19:45, before nine o'clock", []),
        ("a dozen eggs; 4/0 is nothing", [12]),
        ("ten-fold, A113, v2", []),
    ],
)
def test_numbers_in_digits_and_words(text, found):
    assert numbers(text) == found


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("He has 8 apples and gets 5 more. How many in total?", "13"),
        ("She has 8 apples and gives away, rather sells 5. How many are left?", "3"),
        ("There are 4 boxes with 6 pens each.", "24"),
        ("Divide the 20 sweets evenly among 8 children, evenly split.", "2.5"),
        ("The greatest common divisor of 12 and 18?", "6"),
        ("The least common multiple of 4 and 6?", "12"),
        ("What remainder does 17 leave modulo 5?", "2"),
        ("The average of 3, 4 and 8?", "5"),
        ("In how many orders can 4 people queue?", "24"),
        ("In how many orders can 400 people queue?", "400"),
        ("The greatest common divisor of 1.5 and 3?", "3"),
        ("The remainder of 5 modulo 0?", "0"),
        ("1 evenly divided by 3", "1/3"),
        ("5 evenly divided by 0", "5"),
        ("Just 7.", "7"),
        ("4 and 5.", "5"),
        ("Nothing at all.", "unknown"),
    ],
)
def test_one_operation(text, answer):
    assert WEAK.reply(text) == f"Answer: {answer}"


def test_without_a_cue_there_is_no_result():
    assert reckoned("4 and 5.") is None
    assert reckoned("alone 4") is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Solve 2(x - 1) = 3x + 4.", "-6"),
        ("Solve x^2 = 2x + 1 and give the smaller root.", "1-\\sqrt{2}"),
        ("Solve x^2 + x/2 = 0.", "0"),
        ("Solve x^2 + 1 = 0.", None),
        ("Solve x^3 = 8.", None),
        ("Solve 0x = 4 for x.", None),
        ("If 3x + y = 11, x - y = 1, find y.", "2"),
        ("If x + y = 1, 2x + 2y = 2, find y.", None),
        ("If xy = 1, x + y = 2, find y.", None),
        ("Let f(x) = 2x^2 - 1. What is f(3)?", "17"),
        ("Let f(x) = 2x^2 - a. What is f(3)?", None),
        ("Let f(x) = x^9. What is f(3)?", None),
        ("Solve 4/x = 2.", None),
        ("Solve (x = 2.", None),
        ("No equation here.", None),
    ],
)
def test_equations(text, answer):
    assert _solve_algebra.solve(text) == answer


@settings(max_examples=50, deadline=None)
@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9))
def test_a_quadratic_has_the_roots_that_it_was_made_of(p, q, a):
    poly = _solve_algebra.polynomial(f"{a}(x - {p})(x - {q})".replace("- -", "+ "))
    assert _solve_algebra.roots(poly) == [str(root) for root in sorted({p, q})] or poly == {}


@pytest.mark.parametrize("text", ["x +", "(x", "x^y", "2 ** x", "3/x", ")", "x^7"])
def test_what_is_no_polynomial(text):
    with pytest.raises(ValueError, match=r"expected|ends|closed|exponent|divide"):
        _solve_algebra.polynomial(text)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Next: 2, 4, 6, 8", "10"),
        ("Next: 1, 8, 27, 64, 125", "216"),
        ("Next: 3, 9, 27, 81", "243"),
        ("Next: 1, 1, 2, 3, 5, 8", "13"),
        ("Next: 1, 3, 7, 15, 31", "63"),
        ("Next: 1, 2, 6, 24, 120", "720"),
        ("Next: 1, 10, 2, 20, 3, 30, 4", "40"),
        ("Missing: 2, 5, ?, 11, 14", "8"),
        ("Missing: 2, ?, 90, 7, 1", None),
        ("The 10th term of 3, 5, 7, 9", "21"),
        ("The tenth term of 3, 5, 8, 9", None),
        ("Next: B, D, F", "H"),
        ("Next: X, Y, Z", None),
        ("Next: 5, 1, 7, 0", None),
        ("Next: 0, 7, 0, 9", None),
        ("Two numbers: 5, 1", None),
    ],
)
def test_sequences(text, answer):
    assert _solve_numbers.solve_sequence(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("How many prime numbers are between 10 and 20?", "4"),
        ("What is the smallest prime factor of 91?", "7"),
        ("Divisors of 12?", "6"),
        ("The sum of the digits of 987?", "24"),
        ("The binary number 101?", "5"),
        ("The binary number seven?", None),
        ("2^10 modulo 1000?", "24"),
        ("The hypotenuse with legs 1 and 2?", "\\sqrt{5}"),
        ("The exact circumference of a circle with radius 3?", "6\\pi"),
        ("The area of a circle with radius 1?", "3.14159"),
        ("A bag has 3 red and 1 green ball. What is the probability that it is red?", "0.75"),
        ("A bag of marbles, what chance?", None),
        ("Exactly: how likely show 2 coins 1 heads?", "0.5"),
        ("Arrangements of the letters of LEVEL?", "30"),
        ("Arrangements of the letters of a word?", None),
        ("A round table for 5?", "24"),
        ("How many hours are 90 minutes?", "1.5"),
        ("Convert 36 kilometers per hour to meters per second.", "10"),
        ("Convert 36 sheep to goats.", None),
        ("Divisors of 2.5?", None),
    ],
)
def test_formulas(text, answer):
    assert _solve_numbers.solve(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("On which day of the week was 1 January 2000?", "Saturday"),
        ("On which day of the week was 31 February 2000?", None),
        ("How many days from 1 March 2023 to 1 April 2023?", "31"),
        ("Which date is 30 days later than 1 March 2023?", "2023-03-31"),
        ("Which day is it 10 days after a Monday?", "Thursday"),
        ("How many Mondays are in December 2024?", "5"),
        ("How many minutes from 23:50 to 00:10?", "20"),
        ("It begins at 08:15 and lasts 2 hours and 50 minutes. When does it end?", "11:05"),
        ("It begins at 08:15.", None),
    ],
)
def test_calendars(text, answer):
    assert _solve_world.solve_calendar(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('Knaves lie. Al says: "I am a knave." What is Al?', None),
        ('Knaves lie. Al says: "Bo and I are both knaves." What is Bo?', "knight"),
        ('Knaves lie. Al says: "Bo is a knave." Bo says: "Al is a knight." Who is the only knave?', None),
        ('Knaves lie. Al says: "At least one of Bo and me is a knave." How many knights are there?', "1"),
        ('Knaves lie. Al says: "It rains." What is Al?', None),
        ("Ann is older than Ben. Ben is older than Cid. Who is the youngest?", "Cid"),
        ("Ann is older than Ben. Ann is older than Cid. Who is the youngest?", None),
        ("Ann is older than Ben. Ben is older than Cid. Who is the second oldest?", "Ben"),
        ("Ann is old.", None),
    ],
)
def test_logic(text, answer):
    assert _solve_world.solve_logic(text) == answer


TABLE = "Stock:\n\n| thing | price | pieces |\n|---|---|---|\n| pen | 2 | 10 |\n| cap | 9 | 3 |\n\n"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is all of it worth?", "47"),
        ("Which has the highest price?", "cap"),
        ("Which has the lowest price?", "pen"),
        ("What is the average price?", "5.5"),
        ("How many pieces are there in total?", "13"),
        ("By how much do the prices differ, price by price: what is the difference?", "7"),
        ("Who made it?", None),
    ],
)
def test_tables(question, answer):
    assert _solve_world.solve_table(TABLE + question) == answer


def test_what_is_no_table_of_numbers():
    assert _solve_world.solve_table("| a |\n|---|\n| b |") is None
    assert _solve_world.solve_table("| a | b |\n|---|---|\n| x | y |\n| z | w |\n\nWhich is largest?") is None


def test_the_strong_solver_falls_back():
    assert STRONG.reply("He has 8 apples and gets 5 more. How many in total?") == "Answer: 13"
    assert STRONG.reply("Just 7.") == "Answer: 7"
    assert STRONG.reply("Hm.") == "Answer: unknown"


@pytest.mark.parametrize(
    "text", ["9" * 5000, "x = " * 500, "1, " * 3000, "^" * 3000, "(" * 3000 + "= 1", 'A says: "' * 500]
)
def test_hostile_texts_end_in_an_answer(text):
    assert STRONG.reply(text).startswith("Answer: ")


@settings(max_examples=50, deadline=None)
@given(st.fractions(min_value=-1000, max_value=1000, max_denominator=500))
def test_what_is_shown_is_the_number(value):
    text = shown(value)
    assert float(Fraction(text)) == pytest.approx(float(value), rel=1e-5)


TOOL = {
    "name": "f",
    "parameters": {
        "properties": {
            "when": {"type": "string", "description": "HH:MM"}, "date": {"type": "string", "description": "YYYY-MM-DD"},
            "kind": {"type": "string", "enum": ["red", "blue"]}, "count": {"type": "integer"},
            "urgent": {"type": "boolean"}, "on": {"type": "boolean"}, "days": {"type": "array", "items": {"enum": ["mon", "tue"]}},
            "place": {"type": "object"},
        },
        "required": ["when", "on"],
    },
}  # fmt: skip


def test_parameters_are_filled_by_their_form():
    arguments, missing = fill("so the red one at 7:05 on 2026-01-02, urgent, on Monday, turn it off", TOOL)
    assert missing == []
    assert arguments["when"] == "07:05"
    assert arguments["date"] == "2026-01-02"
    assert arguments["kind"] == "red"
    assert arguments["days"] == ["mon"]
    assert (arguments["on"], arguments["urgent"]) == (False, True)
    assert "place" not in arguments


def test_what_is_required_and_not_said_is_named():
    assert fill("nothing", TOOL)[1] == ["when"]
