"""Seeded few-shot examples: chosen by hash order, never the asked sample nor one of its group."""

from __future__ import annotations

import json
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from evalkit.core.keys import order_hash
from evalkit.core.types import Sample


def pool(samples: Iterable[Sample], count: int, seed: int) -> tuple[Sample, ...]:
    """The samples that `count` shots of any asked sample can be drawn from, in hash order of (seed, id).

    Reads the samples once and holds at most count * (count + 1) of them: the `count` first of each of the `count` + 1
    first groups, since one group at most falls away for an asked sample. Samples without a target show nothing and are
    left out. Raises ValueError for a negative count.
    """
    if count < 0:
        raise ValueError(f"the number of shots must not be negative: {count}")
    groups: dict[tuple[str, str], list[tuple[int, str, int]]] = {}
    kept: dict[int, Sample] = {}
    for number, sample in enumerate(samples):
        if sample.target is None or count == 0:
            continue
        members = groups.setdefault(cluster(sample), [])
        insort(members, (order_hash(seed, sample.id), sample.id, number))
        kept[number] = sample
        for _, _, dropped in members[count:]:
            del kept[dropped]
        del members[count:]
        if len(groups) > count + 1:
            last = max(groups, key=lambda group: groups[group][0])
            for _, _, dropped in groups.pop(last):
                del kept[dropped]
    return tuple(kept[number] for _, _, number in sorted(entry for members in groups.values() for entry in members))


def select(candidates: Sequence[Sample], count: int, asked: Sample) -> Iterator[Sample]:
    """The first `count` candidates that are neither the asked sample nor of its group, in the order given."""
    found = 0
    group = cluster(asked)
    for candidate in candidates:
        if found >= count:
            return
        if candidate.id != asked.id and cluster(candidate) != group:
            found += 1
            yield candidate


def cluster(sample: Sample) -> tuple[str, str]:
    """What a sample belongs to: its group, or itself."""
    return ("id", sample.id) if sample.group is None else ("group", sample.group)


def answer_text(target: Any) -> str:
    """A target as the text an assistant would answer: strings as they are, everything else as JSON."""
    return target if isinstance(target, str) else json.dumps(target, ensure_ascii=False, default=dict)
