"""The last line of defence: every way to end has its code, its words, and no traceback on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import typer

from evalkit.cli.main import guarded
from evalkit.core.errors import ConfigError, ExitCode, Interrupted, InvalidRun, MissingComponent, Problem, StoreError


def raising(error):
    def call():
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            ConfigError([Problem("no", "a.yaml", 3, "do this"), Problem("\x1b[2J")]),
            2,
            "a.yaml:3: no (do this)\n\\x1b[2J\n2 problems",
        ),
        (ConfigError([Problem("no")]), 2, "no\n1 problem; nothing was asked, nothing was spent\n"),
        (InvalidRun("nothing is measured"), 5, "error: nothing is measured\n"),
        (StoreError("gone \x9b"), 2, "error: gone \\x9b\n"),
        (MissingComponent("pip install"), 2, "error: pip install\n"),
        (Interrupted("drained"), 130, "error: drained\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (typer.Abort(), 2, ""),
        (typer.BadParameter("no such thing"), 2, "no such thing"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_errors_are_said(error, code, words, capsys):
    assert guarded(raising(error)) == code
    assert words in capsys.readouterr().err


def test_results_are_codes():
    assert guarded(lambda: None) is ExitCode.PASS
    assert guarded(lambda: 5) is ExitCode.INVALID


def test_a_crash_leaves_a_report(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("A_SECRET_KEY", "value-that-nobody-sees")
    monkeypatch.chdir(tmp_path)
    assert guarded(raising(RuntimeError("\x1b[31m \ud800 value-that-nobody-sees"))) is ExitCode.INTERNAL
    said = capsys.readouterr().err
    (report,) = tmp_path.glob("evalkit-crash-*.txt")
    assert said.splitlines() == [
        "internal error: RuntimeError: \\x1b[31m \\xd800 [redacted]",
        f"this is a bug in evalkit; the report is in {report}",
    ]
    text = report.read_text()
    assert "Traceback" in text
    assert sys.version in text
    assert "value-that-nobody-sees" not in text


def test_a_closed_pipe_ends_quietly(monkeypatch, tmp_path):
    with (tmp_path / "err").open("w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        assert guarded(raising(BrokenPipeError())) is ExitCode.PASS
    assert Path(tmp_path / "err").read_text() == ""
