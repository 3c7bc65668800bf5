from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from evalkit import registry
from evalkit.core.spec import Spec

ROOT = Path(__file__).parents[2]
FAMILIES = sorted(registry.names("families"))
SUITES = sorted((ROOT / "suites").glob("*.yaml"))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_complete(name):
    module = registry.module("families", name)
    family = module.make()
    assert family is module.FAMILY
    assert family.name == name
    assert family.title
    assert family.output
    assert family.cost_unit
    assert family.input_fields
    assert set(family.required) <= set(family.input_fields)
    for kind, parts in (("scorers", family.scorers), ("baselines", family.baselines)):
        assert parts
        for part in parts:
            assert registry.make(kind, part) is not None


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_a_page_and_a_suite(name):
    page = (ROOT / "docs" / "families" / f"{name}.md").read_text("utf-8")
    suites = [path.stem for path in SUITES if yaml.safe_load(path.read_text("utf-8"))["family"] == name]
    assert suites
    for suite in suites:
        assert f"suites/{suite}.yaml" in page
    for baseline in registry.make("families", name).baselines:
        assert f"`{baseline}`" in page


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_a_suites_candidates_belong_to_its_family(path):
    suite = yaml.safe_load(path.read_text("utf-8"))
    family = registry.make("families", suite["family"])
    named = yaml.safe_load((path.parent.parent / "evalkit.yaml").read_text("utf-8"))["candidates"]
    for candidate in suite["candidates"]:
        if candidate in named:
            continue
        assert Spec.parse(candidate).name in family.baselines
        assert registry.make("baselines", candidate) is not None


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_bundled_suites_are_valid(path):
    from evalkit.config.suite import load_suites

    def trouble(spec):
        try:
            registry.make("scorers", spec)
        except ValueError as error:
            return str(error)
        return None

    result = load_suites([path], families=FAMILIES, scorers=trouble, sources=registry.names("data"), roots=[ROOT])
    assert [str(problem) for problem in (*result.problems, *result.empty)] == []
    (suite,) = result.suites
    emitted = {metric.name for spec in suite.model.scorers for metric in registry.make("scorers", spec).metrics}
    own = {"checks"} if suite.model.dataset.fields.checks else set()
    assert suite.model.primary in emitted | own
    assert (suite.resolve(suite.model.dataset.card)).is_file()
