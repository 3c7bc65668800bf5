"""What of this machine a Python program needs to run: the interpreter, its standard library, the system's libraries."""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

_SYSTEM_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
_PACKAGES = ("site-packages", "dist-packages")


@dataclass(frozen=True, slots=True)
class Needed:
    """Files and folders by their absolute paths: `shown` read-only, `links` (from, to), `hidden` empty folders."""

    python: str
    shown: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...]


def needed() -> Needed:
    """What this interpreter needs; never a whole prefix, a home, or installed packages."""
    python = str(Path(getattr(sys, "_base_executable", None) or sys.executable).resolve())
    library = Path(sysconfig.get_path("stdlib")).resolve()
    shown = [python, str(library), *_shared_library()]
    links: list[tuple[str, str]] = []
    for name in _SYSTEM_LIBRARIES:
        path = Path(name)
        if path.is_symlink():
            links.append((name, str(path.readlink())))
        elif path.exists():
            shown.append(name)
    shown = [path for path in shown if not any(Path(path).is_relative_to(other) for other in shown if other != path)]
    hidden = [str(library / name) for name in _PACKAGES if (library / name).is_dir()]
    return Needed(python, tuple(shown), tuple(links), tuple(hidden))


def _shared_library() -> list[str]:
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        return []
    found = Path(str(sysconfig.get_config_var("LIBDIR")), str(sysconfig.get_config_var("INSTSONAME")))
    return [str(found)] if found.is_file() else []


def parents(paths: tuple[str, ...]) -> list[str]:
    """Every folder above the paths, outermost first, without the root."""
    above = {str(parent) for path in paths for parent in Path(path).parents}
    return sorted(above - {"/"}, key=lambda path: (path.count("/"), path))
