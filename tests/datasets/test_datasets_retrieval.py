"""The corpus is what the card says, the judgements point into it, and the queries are neither solved nor hopeless."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from evalkit import registry
from evalkit.core.types import Given, Sample
from evalkit.scorers._rankings import ndcg_many

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "datasets/corpus/passages.jsonl"
SPECS = ["bm25", "tfidf_search", "lsa_search", "hybrid"]


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def card(name):
    return yaml.safe_load((ROOT / "datasets" / name / "card.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def queries():
    return lines(ROOT / "datasets/retrieval/queries.jsonl")


@pytest.fixture(scope="module")
def passages():
    return lines(CORPUS)


def test_the_corpus_is_the_one_of_the_card(passages):
    told = card("corpus")
    assert hashlib.sha256(CORPUS.read_bytes()).hexdigest() == told["sha256"]
    assert len(passages) == told["items"] >= 2000
    assert re.fullmatch(r"[0-9a-f]{64}", told["sha256_of_inputs"])
    assert re.fullmatch(r"3\.11\.\d+", told["python"])
    assert "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in (CORPUS.parent / "LICENSE.txt").read_text("utf-8")


def test_passages_are_of_a_sensible_size_and_different(passages):
    assert len({one["id"] for one in passages}) == len(passages)
    words = [" ".join(re.findall(r"\w+", one["input"]["text"].lower())) for one in passages]
    assert len(set(words)) == len(words)
    for one in passages:
        assert 20 <= len(one["input"]["text"].split()) <= 200, one["id"]
        assert one["input"]["title"]
        assert re.fullmatch(r"[\w.\-]+#\d+", one["id"])


def test_judgements_are_grades_of_passages(queries, passages):
    known = {one["id"] for one in passages}
    assert len(queries) == card("retrieval")["items"] >= 150
    assert len({one["id"] for one in queries}) == len({one["input"]["query"] for one in queries}) == len(queries)
    for one in queries:
        assert set(one["target"]) <= known, one["id"]
        assert set(one["target"].values()) <= {0, 1, 2, 3}
        assert max(one["target"].values()) >= 2, one["id"]
        # What the pooled methods found was judged, not only what the query was written for.
        assert len(one["target"]) >= 10, one["id"]


def test_tags_tell_the_slices(queries):
    names = {"style", "kind", "relevant"}
    for one in queries:
        told = dict(tag.split(":") for tag in one["tags"])
        assert set(told) == names
        good = sum(grade > 0 for grade in one["target"].values())
        assert told["relevant"] == ("one" if good == 1 else "two" if good == 2 else "several"), one["id"]
    styles = Counter(tag for one in queries for tag in one["tags"])
    assert min(styles[f"style:{name}"] for name in ("question", "paraphrase", "keyword", "misspelt")) >= 20
    assert len({one["group"] for one in queries}) >= 20


def test_queries_are_written_not_generated(queries):
    spec = importlib.util.spec_from_file_location("texts", Path(__file__).with_name("test_datasets_texts.py"))
    texts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(texts)
    shingles = [(one["id"], texts.shingles(one["input"]["query"])) for one in queries]
    alike = [(a, b) for (a, one), (b, other) in combinations(shingles, 2) if texts.jaccard(one, other) > 0.6]
    assert alike == []


def test_paraphrases_do_not_copy(queries, passages):
    """Of a passage that answers fully, a paraphrase repeats no four words in a row."""
    text = {one["id"]: " ".join(re.findall(r"\w+", one["input"]["text"].lower())) for one in passages}
    for one in queries:
        if "style:paraphrase" in one["tags"]:
            words = re.findall(r"\w+", one["input"]["query"].lower())
            runs = [" ".join(words[i : i + 4]) for i in range(len(words) - 3)]
            best = [ident for ident, grade in one["target"].items() if grade == 3]
            assert not [run for run in runs for ident in best if f" {run} " in f" {text[ident]} "], one["id"]


def test_retrievers_differ_and_none_is_perfect(queries, passages):
    corpus = [Sample(one["id"], one["input"]) for one in passages]
    judged = [one["target"] for one in queries]
    means = {}
    for spec in SPECS:
        found = registry.make("baselines", spec).fit(Given("g", (), corpus), 17)
        values = ndcg_many([{"ranking": found.look(one["input"]["query"])} for one in queries], judged, k=10)
        means[spec] = values.mean()
        if spec == "bm25":
            by_style = {
                style: values[[f"style:{style}" in one["tags"] for one in queries]].mean()
                for style in ("keyword", "paraphrase")
            }
    assert 0.4 <= means["bm25"] <= 0.8
    assert all(0.2 <= mean <= 0.9 for mean in means.values())
    assert len({round(mean, 2) for mean in means.values()}) == len(SPECS)
    assert means["hybrid"] > means["bm25"] > means["lsa_search"]
    assert by_style["keyword"] > by_style["paraphrase"] + 0.2
