"""Embedded retrievers: exact search against a full sort, formulas, determinism, and corpora that cannot be searched."""

from __future__ import annotations

import asyncio
import base64
import math
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import registry
from evalkit.baselines._vectors import best, top_k, vector
from evalkit.core.errors import ErrorKind, MissingComponent
from evalkit.core.types import Given, Sample

TEXTS = {
    "apple": "Apples are sweet fruits that grow on trees.",
    "pear": "Pears grow on trees as well, and are softer than apples.",
    "car": "A car has four wheels and an engine.",
    "bike": "A bicycle has two wheels and no engine at all.",
    "tree": "Trees have leaves, branches and roots.",
    "wheel": "The wheel was invented long before the engine.",
}
CORPUS = [Sample(ident, {"title": ident, "text": text}) for ident, text in TEXTS.items()]
LEXICAL = ["bm25", "tfidf_search", "lsa_search", "hybrid"]


def fitted(spec, corpus=CORPUS, ident="g", seed=3):
    return registry.make("baselines", spec).fit(Given(ident, (), corpus), seed)


def asked(candidate, query, **more):
    return asyncio.run(candidate.answer(Sample("q", {"query": query, **more}), None))


def ids(response):
    assert response.error is None, response.error
    return [ident for ident, _ in response.output["ranking"]]


NUMBERS = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, 2.0])


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_exact_search_is_a_full_sort(data):
    n, m, d = (data.draw(st.integers(1, most)) for most in (4, 60, 3))
    rows = st.lists(NUMBERS, min_size=d, max_size=d)
    queries = np.array(data.draw(st.lists(rows, min_size=n, max_size=n)), dtype=np.float32)
    corpus = np.array(data.draw(st.lists(rows, min_size=m, max_size=m)), dtype=np.float32)
    k, block = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    places, products = top_k(queries, corpus, k, block=block)
    whole = queries @ corpus.T
    wanted = np.argsort(-whole, axis=1, kind="stable")[:, :k]
    assert places.tolist() == wanted.tolist()
    assert np.array_equal(products, np.take_along_axis(whole, wanted, axis=1))


def test_exact_search_over_blocks_that_are_larger_than_k():
    drawn = np.random.default_rng(2)
    queries, corpus = drawn.standard_normal((7, 16)), drawn.standard_normal((5000, 16))
    for block in (64, 1000, 5000, 20_000):
        places, _ = top_k(queries, corpus, 12, block=block)
        assert places.tolist() == np.argsort(-(queries.astype("f4") @ corpus.astype("f4").T), axis=1)[:, :12].tolist()


def test_exact_search_of_nothing_and_of_other_shapes():
    places, products = top_k(np.zeros((3, 2)), np.zeros((0, 2)), 5)
    assert places.shape == products.shape == (3, 0)
    with pytest.raises(ValueError, match=r"must be \[n, d\] and \[m, d\]"):
        top_k(np.zeros((3, 2)), np.zeros((4, 3)), 5)
    with pytest.raises(ValueError, match=r"must be"):
        top_k(np.zeros(2), np.zeros((4, 2)), 5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, -1.0]), min_size=1, max_size=30), st.integers(1, 40))
def test_best_of_one_row(scores, k):
    array = np.array(scores, dtype=np.float32)
    wanted = sorted((i for i, score in enumerate(scores) if score > 0), key=lambda i: (-scores[i], i))[:k]
    assert best(array, k).tolist() == wanted


@pytest.mark.parametrize("spec", LEXICAL)
def test_it_finds_what_it_is_asked_for(spec):
    found = asked(fitted(spec), "wheels and engine")
    assert set(ids(found)[:3]) == {"car", "bike", "wheel"}
    assert found.meta["index_bytes"] > 100
    assert found.usage == {"requests": 1.0, "characters": 17.0}
    assert found.seconds > 0
    assert all(isinstance(score, float) and math.isfinite(score) for _, score in found.output["ranking"])


@pytest.mark.parametrize("spec", LEXICAL)
def test_the_order_of_the_corpus_does_not_matter(spec):
    queries = ["apples on trees", "engine", "leaves"]
    one, other = fitted(spec), fitted(spec, CORPUS[::-1])
    assert [asked(one, query).output for query in queries] == [asked(other, query).output for query in queries]


@pytest.mark.parametrize("spec", ["bm25", "tfidf_search"])
def test_equal_passages_stand_in_the_order_of_their_ids(spec):
    twins = [Sample(ident, {"text": "the very same words"}) for ident in ("c", "a", "b")]
    assert ids(asked(fitted(spec, [*twins, *CORPUS]), "same words")) == ["a", "b", "c"]


@pytest.mark.parametrize("spec", LEXICAL)
def test_k_cuts(spec):
    assert len(ids(asked(fitted(f"{spec}(k=2)"), "trees"))) == 2


@pytest.mark.parametrize("spec", ["bm25", "tfidf_search", "lsa_search", "hybrid(of=['bm25', 'lsa_search'])"])
def test_unknown_words_find_nothing(spec):
    assert ids(asked(fitted(spec), "zyxwv qqq")) == []


def test_bm25_is_its_formula():
    (found,) = [score for ident, score in asked(fitted("bm25(fields='text')"), "sweet").output["ranking"]]
    lengths = [len(text.replace(",", "").replace(".", "").split()) for text in TEXTS.values()]
    idf = math.log(1 + (len(TEXTS) - 1 + 0.5) / (1 + 0.5))
    norm = 1.5 * (1 - 0.75 + 0.75 * lengths[0] / (sum(lengths) / len(lengths)))
    assert found == pytest.approx(idf * 1 / (1 + norm), rel=1e-5)


def test_hybrid_is_reciprocal_rank_fusion():
    query = "wheels of an engine on trees"
    ranks = [ids(asked(fitted(spec), query)) for spec in ("bm25", "lsa_search")]
    found = asked(fitted("hybrid(of=['bm25', 'lsa_search'], constant=10)"), query).output["ranking"]
    for ident, score in found:
        assert score == pytest.approx(sum(1 / (10 + rank.index(ident) + 1) for rank in ranks if ident in rank))
    assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))


def test_hybrid_changes_its_fingerprint_with_its_members(monkeypatch):
    from evalkit.baselines import bm25

    before = registry.make("baselines", "hybrid").fingerprint
    assert registry.make("baselines", "hybrid(of=['bm25(b=0.5)', 'lsa_search'])").fingerprint != before
    monkeypatch.setattr(bm25.Bm25, "version", 2)
    assert registry.make("baselines", "hybrid").fingerprint != before


def test_character_pieces_forgive_spelling():
    assert ids(asked(fitted("tfidf_search"), "bycicle")) == []
    assert ids(asked(fitted("tfidf_search(analyzer='char_wb', ngrams=4)"), "bycicle"))[0] == "bike"


def test_fitted_fingerprints_say_what_was_learnt():
    assert fitted("bm25").fingerprint != fitted("bm25", ident="other").fingerprint
    assert fitted("bm25").fingerprint == fitted("bm25").fingerprint
    assert fitted("lsa_search", seed=4).fingerprint != fitted("lsa_search").fingerprint


def test_without_a_corpus_the_training_samples_are_searched():
    learnt = registry.make("baselines", "bm25").fit(Given("g", CORPUS), 0)
    assert ids(asked(learnt, "bicycle")) == ["bike"]


def test_a_query_may_stand_in_text_or_in_a_field_of_its_own():
    candidate = fitted("bm25(query='question')")
    say = lambda fields: asyncio.run(candidate.answer(Sample("q7", fields), None))  # noqa: E731
    assert ids(say({"question": "bicycle"})) == ids(say({"text": "bicycle"})) == ["bike"]
    failed = say({"row": {}}).error
    assert failed.kind is ErrorKind.CANDIDATE
    assert "sample 'q7' has no text" in failed.message


@pytest.mark.parametrize("spec", [*LEXICAL, "vector_search"])
def test_unfitted_it_has_no_answer(spec):
    assert "learnt nothing" in asked(registry.make("baselines", spec), "apples").error.message


@pytest.mark.parametrize("spec", LEXICAL)
def test_corpora_that_cannot_be_searched(spec):
    with pytest.raises(ValueError, match=r"give the suite a `dataset\.corpus`"):
        fitted(spec, [])
    with pytest.raises(ValueError, match="two passages with the id 'apple'"):
        fitted(spec, [*CORPUS, CORPUS[0]])
    with pytest.raises(ValueError, match=r"passage 'x' has no text in title or text \(its input has: body\)"):
        fitted(spec, [*CORPUS, Sample("x", {"body": "words"})])


def test_lsa_needs_a_space():
    with pytest.raises(ValueError, match="at least two passages"):
        fitted("lsa_search", CORPUS[:1])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("bm25(k=0)", "whole number from 1"),
        ("bm25(method='okapi')", "known: robertson, lucene"),
        ("bm25(b=2.0)", "from 0 to 1"),
        ("tfidf_search(analyzer='char')", "known: word, char_wb"),
        ("lsa_search(dimensions=0)", "whole number from 1"),
        ("hybrid(of=['bm25'])", "two or more"),
        ("hybrid(of='bm25')", "two or more"),
        ("hybrid(of=['bm25', 'bm52'])", "did you mean 'bm25'"),
        ("hybrid(of=['bm25', 'hybrid'])", "cannot be fused"),
        ("hybrid(constant=0)", "above 0"),
        ("vector_search(k=0)", "whole number from 1"),
        ("vector_search(metric='euclid')", "known: cosine, dot"),
    ],
)
def test_wrong_options(spec, words):
    with pytest.raises(ValueError, match=words):
        registry.make("baselines", spec)


@pytest.mark.parametrize(("spec", "package"), [("bm25", "bm25s"), ("tfidf_search", "sklearn"), ("hybrid", "bm25s")])
def test_a_missing_library_names_the_extra(spec, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingComponent, match=r"evalkit\[retrieval\]"):
        registry.make("baselines", spec)


def packed(*numbers):
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def vectors(spec="vector_search", **rows):
    return fitted(spec, [Sample(ident, {"vector": row}) for ident, row in rows.items()])


def test_vectors_are_ranked_by_cosine_or_product():
    rows = {"near": [1.0, 0.1], "far": [0.0, 9.0], "long": packed(5.0, 5.0), "back": [-1, 0]}
    ask = lambda candidate, row: asyncio.run(candidate.answer(Sample("q", {"vector": row}), None))  # noqa: E731
    assert ids(ask(vectors(**rows), [2, 0])) == ["near", "long", "far", "back"]
    assert ids(ask(vectors("vector_search(metric='dot')", **rows), packed(2, 0))) == ["long", "near", "far", "back"]
    (first, *_) = ask(vectors(**rows), [3, 0.3]).output["ranking"]
    assert first == ["near", pytest.approx(1.0, abs=1e-6)]
    assert ask(vectors(**rows), [1, 1]).meta == {"index_bytes": 4 * 2 * 4}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([1.0, 2.0, 3.0], "has 3 dimensions; the first, 'a', has 2"),
        ([0.0, 0.0], "passage 'bad' is zero"),
        ([1.0, float("nan")], "passage 'bad' holds NaN"),
        ([1.0, 1e39], "passage 'bad' holds NaN or infinity"),
        ([], "passage 'bad' is empty"),
        (None, "passage 'bad' has no vector"),
        (["1", "2"], "passage 'bad' has no vector"),
        ("no base64", "no base64 of float32"),
        (base64.b64encode(b"abcde").decode(), "no base64 of float32"),
    ],
)
def test_vectors_that_cannot_be_compared(row, words):
    with pytest.raises(ValueError, match=words):
        vectors(a=[1.0, 0.0], bad=row)
    said = words.replace("passage 'bad'", "query 'q'").replace("; the first, 'a', has 2", ", the index 2")
    failed = asyncio.run(vectors(a=[1.0, 0.0]).answer(Sample("q", {"vector": row}), None)).error
    assert failed.kind is ErrorKind.CANDIDATE
    assert said in failed.message


def test_a_zero_vector_is_fine_for_products():
    assert vectors("vector_search(metric='dot')", a=[0.0, 0.0]).vectors.tolist() == [[0.0, 0.0]]
    assert vector([0, 0], "x").tolist() == [0, 0]
