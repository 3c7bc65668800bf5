"""The short form of a part parses back to itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.spec import Spec

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"\A[a-z_][a-z0-9_]{0,10}\Z")
OPTIONS = st.dictionaries(
    NAMES.filter(
        lambda n: (
            n
            not in {
                "if",
                "in",
                "is",
                "as",
                "or",
                "and",
                "not",
                "for",
                "def",
                "del",
                "try",
                "from",
                "None",
                "pass",
                "with",
                "else",
                "elif",
                "while",
                "class",
                "break",
                "yield",
                "raise",
                "async",
                "await",
                "import",
                "global",
                "return",
                "lambda",
                "assert",
                "except",
                "finally",
                "continue",
                "nonlocal",
            }
        )
    ),
    VALUES,
    max_size=3,
)


@settings(max_examples=50)
@given(NAMES, st.none() | st.integers(0, 999), OPTIONS)
def test_a_spec_reads_back(name, at, options):
    spec = Spec(name, at, options)
    assert Spec.parse(str(spec)) == spec
    assert hash(Spec.parse(str(spec))) == hash(spec)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("exact_match", Spec("exact_match")),
        (" ndcg@10 ", Spec("ndcg", 10)),
        ("numeric(tolerance=0.01)", Spec("numeric", None, {"tolerance": 0.01})),
        ("ndcg@10(gain='exp')", Spec("ndcg", 10, {"gain": "exp"})),
        (
            "f(a=true, b=NULL, c=[1, 'x'], d={'k': -1})",
            Spec("f", None, {"a": True, "b": None, "c": [1, "x"], "d": {"k": -1}}),
        ),
        ("empty()", Spec("empty")),
    ],
)
def test_what_people_write(text, spec):
    assert Spec.parse(text) == spec


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a spec"),
        ("a b", "is not a spec"),
        ("f(1)", "needs its name"),
        ("f(a=)", "do not read as"),
        ("f(a=1, **b)", "not allowed"),
        ("f(a=open('x'))", "must be a literal"),
        ("f(a=b'x')", "must be a literal"),
        ("f(a=x)", "must be a literal"),
        ("f(a=1)(b=2)", "do not read as|needs its name|is not a spec"),
    ],
)
def test_what_is_wrong_is_said(text, says):
    with pytest.raises(ValueError, match=says):
        Spec.parse(text)
