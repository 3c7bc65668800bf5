"""Canonical JSON and the hashes that name things; frozen by golden files, so a stored key never changes its meaning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from evalkit.core.types import Request, Sample

KEY_SCHEMA = 1
_MODULUS = 1 << 256


def canonical_json(value: Any) -> bytes:
    """The one byte form of a JSON value: sorted keys, no spaces, UTF-8, no NaN or infinity.

    Raises ValueError for NaN, infinity and lone surrogates, TypeError for what is not JSON.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)
    return text.encode("utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "items"):
        return dict(value.items())
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def digest(value: Any) -> str:
    """32 hex digits (the first 128 bits of SHA-256) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()[:32]


def digest_bytes(data: bytes) -> str:
    """64 hex digits of the SHA-256 of raw bytes; names blobs and files."""
    return hashlib.sha256(data).hexdigest()


def call_key(request: Request, repeat: int, ordinal: int = 0, generation: int = 0) -> str:
    """The key of a call that sends an exact request.

    `repeat` >= 0 keeps repeats apart, `ordinal` >= 0 keeps equal requests inside one cell apart, `generation` >= 0 is
    raised by `--fresh`.
    """
    return digest([KEY_SCHEMA, "request", request.endpoint, request.body, repeat, ordinal, generation])


def local_key(
    fingerprint: str, sample: str, given: str | None, repeat: int, ordinal: int = 0, generation: int = 0
) -> str:
    """The key of a call without a request: who answers, which sample (content hash), what was learnt from."""
    return digest([KEY_SCHEMA, "local", fingerprint, sample, given, repeat, ordinal, generation])


def sample_hash(sample: Sample) -> str:
    """Content hash of a sample: everything but its id, so that equal content is found under two ids."""
    return digest([sample.input, sample.target, sample.group, sample.tags, sample.meta, sample.checks])


def data_hash(samples: Iterable[tuple[str, str]]) -> str:
    """Hash of a data set from (id, content hash) pairs; independent of their order, streaming, duplicates counted."""
    total = 0
    for ident, content in samples:
        total += int.from_bytes(hashlib.sha256(f"{ident}\x1f{content}".encode()).digest(), "big")
    return f"{total % _MODULUS:064x}"[:32]


def order_hash(seed: int, ident: str) -> int:
    """The place of a sample in the scheduled order, an unsigned 64-bit integer: hash of (seed, id), never position."""
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{ident}".encode()).digest()[:8], "big")
