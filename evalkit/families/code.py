"""Code models: a problem in words in, a program out that is run against tests."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="code",
    title="Code models",
    input_fields={
        "text": "the problem in words",
        "signature": "the head of the function that is wanted; absent where a program from stdin to stdout is wanted",
        "examples": "[{input, output}] or [{args, value}] that the candidate may see",
    },
    output="a Python program: in a fenced block, or as the whole answer",
    scorers=("tests_pass", "pass@1", "lint", "length", "latency", "cost"),
    baselines=("code_search", "code_reference"),
    cost_unit="tokens",
    required=("text",),
    target_types=(dict,),
)


def make() -> Family:
    """The family."""
    return FAMILY
