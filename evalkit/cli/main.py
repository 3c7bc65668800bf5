"""The entry point: verbs, errors said for people, exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from evalkit import __version__
from evalkit.cli import (
    baseline,
    claims,
    compare,
    cost,
    doctor,
    explain_miss,
    export,
    gate,
    gc,
    listing,
    mock_server,
    models,
    new,
    plan,
    report,
    run,
    score,
    show,
    sql,
    validate,
)
from evalkit.cli.common import without_secrets
from evalkit.cli.output import inert
from evalkit.core.errors import ConfigError, EvalkitError, ExitCode

app = typer.Typer(
    name="evalkit",
    help="Suites x candidates, every call remembered in DuckDB, honest statistics, an HTML leaderboard.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    run.run,
    report.report,
    show.show,
    compare.compare,
    gate.gate,
    plan.plan,
    validate.validate,
    score.score,
    sql.sql,
    cost.cost,
    gc.gc,
    doctor.doctor,
):
    app.command()(verb)
app.command("explain-miss")(explain_miss.explain_miss)
app.command("export")(export.export)
app.command("mock-server")(mock_server.mock_server)
app.command("list")(listing.listing)
app.add_typer(new.app, name="new")
app.add_typer(models.app, name="models")
app.add_typer(baseline.app, name="baseline")
app.add_typer(claims.app, name="claims")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"evalkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", help="Show the version.", callback=_version, is_eager=True),
) -> None: ...


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with one of evalkit's exit codes."""
    os.umask(os.umask(0o022) | 0o022)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its code instead of an encoding error.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(int(guarded(lambda: app(args=arguments, standalone_mode=False))))


def guarded(call: Callable[[], Any]) -> ExitCode:
    """Call, and turn whatever goes wrong into words on stderr and an exit code; never a traceback alone."""
    try:
        result = call()
    except EvalkitError as error:
        _say(error)
        return error.exit_code
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return ExitCode.PASS
    except Exception as error:  # noqa: BLE001 - the last line of defence: a report file instead of a traceback
        if _is_usage(error):
            return ExitCode.USAGE
        return _crashed(error)
    return ExitCode(result) if isinstance(result, int) else ExitCode.PASS


def _is_usage(error: Exception) -> bool:
    """Whether it is the parser's own complaint; it is shown here."""
    show = getattr(error, "show", None)
    if show is None:
        return type(error).__name__ == "Abort"
    show()
    return True


def _say(error: EvalkitError) -> None:
    if isinstance(error, ConfigError):
        count = len(error.problems)
        for problem in error.problems:
            typer.echo(inert(without_secrets(str(problem))), err=True)
        typer.echo(f"{count} problem{'s' if count != 1 else ''}; nothing was asked, nothing was spent", err=True)
    else:
        typer.echo(f"error: {inert(without_secrets(str(error)))}", err=True)


def _crashed(error: Exception) -> ExitCode:
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile(
        "w", prefix="evalkit-crash-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        told = f"evalkit {__version__}, python {sys.version}\n{' '.join(sys.argv)}\n\n{text}"
        file.write(without_secrets(told).encode("utf-8", "backslashreplace").decode())
    typer.echo(f"internal error: {type(error).__name__}: {inert(without_secrets(str(error)))[:500]}", err=True)
    typer.echo(f"this is a bug in evalkit; the report is in {Path(file.name)}", err=True)
    return ExitCode.INTERNAL
