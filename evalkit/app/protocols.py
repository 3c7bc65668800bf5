"""How a claimed number was measured beside how one's own was: what is the same, what differs, what nobody states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.app.scoring import Prepared
from evalkit.app.sides import StoredSide
from evalkit.config.claims import Protocol
from evalkit.core.spec import Spec

State = Literal["same", "differs", "unstated"]
LEAST_HASH = 6
_WHOLE = ("none", "whole", "all")


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a protocol; `claimed` None = the claim does not say."""

    name: str
    claimed: str | None
    own: str
    state: State


def under(own: Prepared, stated: Protocol) -> Prepared:
    """The scorer with the normaliser and the extraction that a claim states, where it states them.

    Raises ValueError where the scorer has no such normaliser, or where there is no such extraction.
    """
    extract = own.extract
    if stated.extraction is not None:
        extract = None if stated.extraction in _WHOLE else stated.extraction
    return variant(own, extract=extract, normaliser=stated.normaliser)


def variant(own: Prepared, *, extract: str | None, normaliser: str | None = None, **options: Any) -> Prepared:
    """A scorer with another extraction, normaliser or option; itself where nothing differs.

    Raises ValueError for an extraction or a value that is not known.
    """
    from evalkit.app.loading import extract_trouble
    from evalkit.app.scoring import prepare

    if extract is not None and (why := extract_trouble(extract)) is not None:
        raise ValueError(why)
    if normaliser is not None and getattr(own.scorer, "normaliser", None) != normaliser:
        if not hasattr(own.scorer, "normaliser"):
            raise ValueError(f"{own.spec} has no normaliser, so {normaliser!r} cannot be applied")
        options["normaliser"] = normaliser
    if extract == own.extract and not options:
        return own
    parsed = Spec.parse(own.spec)
    return prepare(str(Spec(parsed.name, parsed.at, {**parsed.options, **options})), extract=extract)


def points(stated: Protocol, side: StoredSide, used: Prepared, prompts: Mapping[str, tuple[str, str]]) -> list[Point]:
    """Every point of the protocol; `used` is the scorer that the claim is tested with, `prompts` hash -> name, text."""
    spec = side.facts.get("spec") or {}
    task = spec.get("task") or {}
    generation = {**(task.get("generation") or {}), **(side.facts["candidate_spec"].get("generation") or {})}
    shots = task.get("shots") or 0
    own: dict[str, Any] = {
        "shots": shots.get("count", 0) if isinstance(shots, Mapping) else shots,
        "extraction": used.extract or "none",
        "normaliser": getattr(used.scorer, "normaliser", "none"),
        "reasoning": generation.get("effort") or generation.get("thinking_tokens") or "not set",
        "temperature": generation.get("temperature", "not set"),
        "repeats": side.facts["repeats"],
    }
    said = stated.model_dump(exclude_none=True)
    found = [_prompt(said.get("prompt"), side, prompts)]
    found += [_point(name, said.get(name), value) for name, value in own.items()]
    return [*found, _dataset(said.get("dataset"), side)]


def _point(name: str, claimed: Any, own: Any) -> Point:
    if claimed is None:
        return Point(name, None, str(own), "unstated")
    same = str(claimed) == str(own) or (name == "extraction" and claimed in _WHOLE and own == "none")
    same = same or (isinstance(claimed, float) and isinstance(own, int | float) and float(own) == claimed)
    return Point(name, str(claimed), str(own), "same" if same else "differs")


def _prompt(claimed: str | None, side: StoredSide, prompts: Mapping[str, tuple[str, str]]) -> Point:
    used = {hashed: prompts[hashed] for hashed in side.facts["prompt_hashes"] if hashed in prompts}
    own = ", ".join(f"{name} ({hashed[:8]})" for hashed, (name, _) in sorted(used.items())) or "none"
    if claimed is None:
        return Point("prompt", None, own, "unstated")
    same = any(_is_prompt(claimed, hashed, known) for hashed, known in used.items())
    return Point("prompt", claimed, own, "same" if same else "differs")


def _is_prompt(claimed: str, hashed: str, known: tuple[str, str]) -> bool:
    name, text = known
    return claimed in (name, text) or claimed.strip() == text.strip() or _is_hash(claimed, hashed)


def _is_hash(claimed: str, hashed: str) -> bool:
    return len(claimed) >= LEAST_HASH and hashed.startswith(claimed)


def _dataset(claimed: str | None, side: StoredSide) -> Point:
    hashed = str(side.facts["data_hash"])
    words = list(_words(side.facts["source"]))
    own = f"{hashed[:12]}" + (f" ({', '.join(words[:3])})" if words else "")
    if claimed is None:
        return Point("dataset", None, own, "unstated")
    same = claimed in words or _is_hash(claimed, hashed)
    return Point("dataset", claimed, own, "same" if same else "differs")


def _words(source: Any) -> Iterator[str]:
    """What a data source is named by: its texts, such as path and revision."""
    if isinstance(source, Mapping):
        for name in ("path", "name", "revision", "version", "options"):
            yield from _words(source.get(name))
    elif isinstance(source, str) and source:
        yield source
