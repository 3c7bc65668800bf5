"""evalkit doctor."""

from __future__ import annotations

from pathlib import Path

from evalkit.cli.common import AS_CSV, AS_JSON, PROJECT, workspace


def doctor(as_json: bool = AS_JSON, as_csv: bool = AS_CSV, project: Path = PROJECT) -> int:
    """What is installed, reachable and priced; what is missing and how to get it. Exits 2 when something is missing."""
    from evalkit.app.doctor import examine
    from evalkit.cli.output import show_rows

    found = examine(workspace(project))
    show_rows([finding.row() for finding in found], ("what", "state", "detail"), as_json=as_json, as_csv=as_csv)
    return 2 if any(finding.ok is False for finding in found) else 0
