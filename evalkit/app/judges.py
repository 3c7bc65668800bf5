"""The judges behind gated metrics: fit by their order effects, audited by labels of people, or nobody has looked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evalkit.app.guardrails import Emitted
from evalkit.app.measuring import Bench
from evalkit.app.scoring import Prepared
from evalkit.app.sides import Answers
from evalkit.core.capabilities import needed
from evalkit.core.errors import ConfigError, Problem
from evalkit.gate.model import Judge
from evalkit.stats import judging
from evalkit.stats.agreement import fit_to_gate, kappa


@dataclass(frozen=True, slots=True)
class Labels:
    """What people say of a candidate's answers: metric (empty = any) -> sample id -> their score."""

    by_metric: Mapping[str, Mapping[str, float]]

    def of(self, metric: str) -> Mapping[str, float]:
        """The labels for a metric."""
        return {**self.by_metric.get("", {}), **self.by_metric.get(metric, {})}


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    sample_id: str
    label: float
    metric: str = ""


def no_labels() -> Labels:
    """Nobody has looked."""
    return Labels({})


def read_labels(path: Path) -> Labels:
    """A JSONL file of {"sample_id", "label", "metric" (optional)}. Raises ConfigError with every bad line."""
    found: dict[str, dict[str, float]] = {}
    problems: list[Problem] = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(f"the labels cannot be read: {error}", str(path))]) from None
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = msgspec.json.decode(text, type=_Line)
        except msgspec.DecodeError as error:
            problems.append(Problem(str(error), str(path), number, '{"sample_id": "...", "label": 1}'))
            continue
        if line.sample_id in found.setdefault(line.metric, {}):
            problems.append(Problem(f"sample {line.sample_id!r} is labelled twice", str(path), number))
        found[line.metric][line.sample_id] = line.label
    if problems:
        raise ConfigError(problems)
    return Labels(found)


def refusals(side: Answers, known: Mapping[str, Emitted], gated: Collection[str]) -> dict[str, list[str]]:
    """Gated metric -> why its judge is unfit, by the order effects in what it said of this candidate."""
    found: dict[str, list[str]] = {}
    for name, one in _judged_metrics(known, gated):
        counts = _orders(side, one)
        reasons = judging.unfit(counts) if counts is not None and counts.pairs else ()
        if reasons:
            who = ", ".join(needed(one.scorer))
            found[name] = [f"judge {who} is unfit: {reason}" for reason in reasons]
    return found


def judges_of(
    bench: Bench, gated: Collection[str], labels: Labels, seed: int
) -> tuple[tuple[Judge, ...], tuple[str, ...]]:
    """The judges behind gated metrics, and the names of those that people have not audited enough."""
    found: list[Judge] = []
    unaudited: list[str] = []
    for name, one in _judged_metrics(bench.known, gated):
        said, agreed = labels.of(name), None
        pairs = _labelled(bench.candidate, one, name, said)
        if pairs:
            agreed = kappa(*zip(*pairs, strict=True), seed=seed)
        counts = _orders(bench.candidate, one)
        both = bench.baseline is not None and bench.baseline.scores(one.sig, name) is not None
        who = ", ".join(needed(one.scorer))
        found.append(
            Judge(
                name=who,
                fingerprint=one.sig,
                metric=name,
                same_on_both_sides=both,
                conflict_rate=judging.conflict_rate(counts) if counts else None,
                primacy=judging.primacy(counts) if counts else None,
                kappa=agreed.value if agreed else None,
                kappa_low=agreed.low if agreed else None,
                labels=len(pairs),
            )
        )
        if fit_to_gate(agreed.low if agreed else None, None, len(pairs)):
            unaudited.append(who)
    return tuple(found), tuple(dict.fromkeys(unaudited))


def _judged_metrics(known: Mapping[str, Emitted], gated: Collection[str]) -> Iterator[tuple[str, Prepared]]:
    for name in sorted(gated):
        one = known[name].prepared if name in known else None
        if one is not None and needed(one.scorer):
            yield name, one


def _orders(side: Answers, one: Prepared) -> judging.Orders | None:
    """Counts over the pairs that were judged in both orders; None for a judge of single answers."""
    names = {metric.name for metric in one.metrics}
    if not {"conflict_rate", "primacy"} <= names:
        return None
    conflicts, lean = side.scores(one.sig, "conflict_rate"), side.scores(one.sig, "primacy")
    if conflicts is None or lean is None:
        return None
    first = [_part(text, "lean") for text in lean.parts]
    return judging.Orders(
        pairs=int(sum(_part(text, "pairs") for text in conflicts.parts)),
        conflicts=int(sum(_part(text, "conflicts") for text in conflicts.parts)),
        first_first=sum(one > 0 for one in first),
        second_second=sum(one < 0 for one in first),
    )


def _part(text: str | None, name: str) -> float:
    parts: dict[str, Any] = msgspec.json.decode(text) if text else {}
    return float(parts.get(name, 0.0))


def _labelled(side: Answers, one: Prepared, metric: str, said: Mapping[str, float]) -> Sequence[tuple[float, float]]:
    scores = side.scores(one.sig, metric) if said else None
    if scores is None:
        return []
    first = {
        str(ident): float(value)
        for ident, value, repeat in zip(side.cells.sample_id, scores.value, side.cells.repeat, strict=True)
        if repeat == 0 and not np.isnan(value)
    }
    return [(first[ident], label) for ident, label in sorted(said.items()) if ident in first]
