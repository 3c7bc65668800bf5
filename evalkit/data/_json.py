"""One JSON object out of bytes, or the reason why there is none."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec

_decode = msgspec.json.Decoder().decode


def read_object(line: bytes) -> dict[str, Any]:
    """Decode one JSON object. Raises ValueError that says what is wrong: bad UTF-8, NaN, invalid JSON, no object."""
    try:
        value = _decode(line)
    except UnicodeDecodeError:
        raise ValueError(bad_utf8(line)) from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise ValueError(_reason(line, str(error))) from None
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is needed, this is {_KINDS.get(type(value), 'a number')}")  # noqa: TRY004 - bad data, not a bad call
    return value


_KINDS = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}


def bad_utf8(line: bytes) -> str:
    """Where the bytes stop being UTF-8, for the person who has to mend them."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1} of the line (0x{line[error.start]:02x})"
        return f"{where} is not UTF-8; save the file as UTF-8"
    return "the line is not UTF-8; save the file as UTF-8"


def _reason(line: bytes, said: str) -> str:
    try:
        json.loads(line, parse_constant=_constant)
    except UnicodeDecodeError:
        return bad_utf8(line)
    except json.JSONDecodeError as error:
        return f"invalid JSON: {error.msg} (column {error.pos + 1})"
    except (ValueError, RecursionError) as error:
        return str(error)
    if "out of range" in said:
        return "a number is too large for a float and would read as infinity"
    return f"invalid JSON: {said}"


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number; write null for a missing value")
