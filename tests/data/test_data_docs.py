"""The examples of docs/data.md are read by the room that they describe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from evalkit import registry
from evalkit.core.spec import Spec
from evalkit.data._fields import Fields
from evalkit.data._filter import compile_filter

TEXT = (Path(__file__).parents[2] / "docs/data.md").read_text("utf-8")
EXAMPLES = [yaml.safe_load(block)["dataset"] for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_every_example_is_accepted(example: dict) -> None:
    kind = example.get("source") or Path(example["path"]).suffix.removeprefix(".")
    options = example.get("options", {}) | ({"path": example["path"]} if "path" in example else {})
    source = registry.make("data", Spec(kind, None, options))
    assert source.describe()["source"] == kind
    Fields.parse(example.get("fields"))
    if "filter" in example:
        compile_filter(example["filter"])


def test_every_source_and_option_is_told() -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", TEXT.split("## Sources")[1].split("## Field")[0], re.MULTILINE)
    )
    assert set(rows) == set(registry.names("data"))
    for kind, told in rows.items():
        known = str(registry.module("data", kind).make.__doc__)
        for option in set(re.findall(r"`(\w+)`", known)) - {"root"}:
            assert f"`{option}`" in told
