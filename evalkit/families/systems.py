"""Systems: candidates made of candidates (routers, cascades, fallbacks, councils, votes), on a mixed workload."""

from __future__ import annotations

from evalkit.core.types import Family

FAMILY = Family(
    name="systems",
    title="Routers, cascades, councils",
    input_fields={
        "text": "what somebody sends",
        "messages": "a conversation instead of a text: [{role, content}], the last one from the user",
        "tools": "tools on offer: [{name, description, parameters}]",
        "image": "a picture that belongs to it, as a path or blob reference",
    },
    output="what the part that answered says; `meta.route` names it, `meta.stages` every call",
    scorers=("routing", "latency", "cost"),
    baselines=("keyword", "rule_extractor", "rule_solver", "bm25", "keyword_tools"),
    cost_unit="US dollars, else seconds of computing",
)


def make() -> Family:
    """The family."""
    return FAMILY
