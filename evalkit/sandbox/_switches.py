"""Why bubblewrap may not make namespaces on this machine: the kernel's switches, and what to do about each."""

from __future__ import annotations

import os
from pathlib import Path

SWITCHES = Path("/proc/sys")
_APPARMOR = "kernel/apparmor_restrict_unprivileged_userns"
_MOST = "user/max_user_namespaces"
_DEBIAN = "kernel/unprivileged_userns_clone"
_CONTAINER = (
    "the system may give bubblewrap no namespaces, as most containers do: start the container with `--privileged`, or "
    "run evalkit outside it"
)


def forbidden(folder: Path = SWITCHES, *, root: bool | None = None) -> str:
    """Which switch keeps programs from making namespaces, and the command that turns it; else that a container may.

    `folder` is where the kernel shows its switches; `root` says for whom (None: for this process): what holds ordinary
    users only is not what stops root.
    """
    privileged = os.geteuid() == 0 if root is None else root
    if not privileged and _value(folder / _APPARMOR) == 1:
        return (
            "AppArmor keeps ordinary users from making namespaces (as Ubuntu does since 24.04): allow it by "
            "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` until the next start, or for bwrap alone "
            "by the profile in docs/sandbox.md"
        )
    if _value(folder / _MOST) == 0:
        return "user namespaces are switched off: `sudo sysctl -w user.max_user_namespaces=15000`"
    if not privileged and _value(folder / _DEBIAN) == 0:
        return (
            "user namespaces are switched off for ordinary users: `sudo sysctl -w kernel.unprivileged_userns_clone=1`"
        )
    return _CONTAINER


def _value(switch: Path) -> int | None:
    """A switch's value; None where this kernel does not have it, or does not show it."""
    try:
        return int(switch.read_text("ascii"))
    except (OSError, ValueError):
        return None
