from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.keys import order_hash
from evalkit.core.types import Sample
from evalkit.prompts.shots import answer_text, cluster, pool, select

SAMPLES = st.lists(
    st.builds(
        lambda ident, group, target: Sample(f"s{ident}", {"text": "x"}, target, group),
        st.integers(0, 30),
        st.sampled_from([None, None, "a", "b", "c"]),
        st.sampled_from(["yes", "no", None]),
    ),
    max_size=40,
    unique_by=lambda sample: sample.id,
)


@settings(max_examples=50, deadline=None)
@given(SAMPLES, st.integers(0, 4), st.integers(0, 3), st.integers(0, 39))
def test_the_pool_serves_every_sample_as_the_whole_data_would(samples, count, seed, pick):
    whole = sorted((s for s in samples if s.target is not None), key=lambda s: (order_hash(seed, s.id), s.id))
    kept = pool(iter(samples), count, seed)
    assert len(kept) <= count * (count + 1)
    for asked in [*samples[pick : pick + 3], Sample("other", {})]:
        shown = list(select(kept, count, asked))
        assert shown == list(select(whole, count, asked))
        assert all(shot.id != asked.id and cluster(shot) != cluster(asked) for shot in shown)


def test_order_does_not_matter_and_the_seed_does():
    samples = [Sample(f"s{n}", {}, "y") for n in range(50)]
    assert pool(samples, 3, 1) == pool(samples[::-1], 3, 1)
    assert pool(samples, 3, 1) != pool(samples, 3, 2)


def test_negative_count_is_refused():
    with pytest.raises(ValueError, match="-1"):
        pool([], -1, 0)


def test_answer_text():
    class Frozen(Mapping):
        def __getitem__(self, key):
            return {"a": 1}[key]

        def __iter__(self):
            return iter("a")

        def __len__(self):
            return 1

    assert answer_text("as it is") == "as it is"
    assert answer_text({"ä": [1, None]}) == '{"ä": [1, null]}'
    assert answer_text([Frozen()]) == '[{"a": 1}]'
