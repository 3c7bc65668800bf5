"""Action models: a request and tools in, the right calls out; or a task in an environment, scored by how it ends."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="action",
    title="Action models and agents",
    input_fields={
        "text": "the request or task",
        "messages": "a conversation instead of a text: [{role, content}], the last one from the user",
        "tools": "what may be called: a list of {name, description, parameters as JSON Schema}",
    },
    output="tool calls (the API's own, or JSON in the text) or words; of an agent {answer, state, steps, calls}",
    scorers=("tool_calls", "end_state", "steps", "pass_all@1(of='end_state')", "refusal", "latency", "cost"),
    baselines=("keyword_tools", "scripted_policy"),
    cost_unit="tokens",
    target_types=(dict,),
)


def make() -> Family:
    """The family."""
    return FAMILY
