"""Values, files and lines that only odd sources hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from evalkit.core.errors import ConfigError
from evalkit.data._files import DataFile
from evalkit.data._json import bad_utf8
from evalkit.data._records import Media, plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("a", "a"),
        (True, True),
        ({1: (2, date(2024, 2, 29))}, {"1": [2, "2024-02-29"]}),
        (datetime(2024, 1, 1, 10, tzinfo=UTC), "2024-01-01T10:00:00+00:00"),
        (time(10, 30), "10:30:00"),
        (timedelta(minutes=2), 120.0),
        (Decimal("1.50"), 1.5),
        (Decimal("3.00"), 3),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"x", Media(data=b"x")),
        (bytearray(b"x"), Media(data=b"x")),
        (Media(path="a.png"), Media(path="a.png")),
        (np.float32(0.5), 0.5),
        (np.array([[1, 2]]), [[1, 2]]),
    ],
)
def test_python_values_become_json_values(value: object, expected: object) -> None:
    found = plain(value)
    assert found == expected
    assert type(found) is type(expected)


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(ValueError, match="type object has no JSON form"):
        plain([object()])


def test_files_that_open_or_read_badly_are_named() -> None:
    with pytest.raises(ConfigError, match="shown: cannot be read: No such file"):
        DataFile(Path("/nowhere/x"), "shown").open()
    with pytest.raises(ConfigError, match="shown: cannot be read: Input/output error"):
        DataFile(Path("/proc/self/mem"), "shown").sha256()


def test_bytes_that_are_utf_8_after_all() -> None:
    assert bad_utf8(b"a") == "the line is not UTF-8; save the file as UTF-8"
