"""Secrets from `.env`: read, never exported, never shown."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.core.errors import Problem

ENDINGS = ("_KEY", "_TOKEN", "_SECRET")


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The keys of a `.env` file; `notes` say which lines were not taken, without what they hold."""

    values: dict[str, str] = field(default_factory=dict, repr=False)
    notes: tuple[Problem, ...] = ()


def is_secret(name: str, listed: Collection[str] = ()) -> bool:
    """Whether a variable counts as a key: by its ending, or because a provider names it."""
    return name in listed or name.upper().endswith(ENDINGS)


def read_env(path: Path, listed: Collection[str] = ()) -> EnvFile:
    """Read KEY=value lines (quotes, comments and `export` as dotenv files have them; nothing is interpolated).

    Only names ending in _KEY, _TOKEN or _SECRET and those in `listed` are taken. A missing file holds nothing.
    """
    from dotenv.parser import parse_stream

    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return EnvFile()
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or "it cannot be read"
        return EnvFile(notes=(Problem(f".env was not read: {reason}", str(path)),))
    import io

    values: dict[str, str] = {}
    notes: list[Problem] = []
    for binding in parse_stream(io.StringIO(text)):
        blank = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
        line = binding.original.line + binding.original.string.count("\n", 0, blank)
        if binding.error:
            notes.append(Problem("this line is not KEY=value and was not read", str(path), line))
        elif binding.key is None:
            continue
        elif not is_secret(binding.key, listed):
            hint = "only names ending in _KEY, _TOKEN, _SECRET or named by api_key_env; set others in the environment"
            notes.append(Problem(f"{binding.key} was not read: it is no key", str(path), line, hint))
        elif binding.value:
            values[binding.key] = binding.value
    return EnvFile(values, tuple(notes))
