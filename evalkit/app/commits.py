"""Commits of the project's repository: what a name means, and a copy of the tree as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evalkit.core.errors import UsageError

PATIENCE_S = 120


@dataclass(frozen=True, slots=True)
class Commit:
    """What a user named (`ref`), the commit it is (`sha`), and the branch or tag to record it under, if any."""

    ref: str
    sha: str
    branch: str | None

    @property
    def short(self) -> str:
        """Enough of the commit to recognise it."""
        return self.sha[:10]


@dataclass(frozen=True, slots=True)
class Repository:
    """The git repository that a folder lies in; `head_ref` = the branch that a CI system says HEAD is."""

    top: Path
    head_ref: str | None = None

    @classmethod
    def of(cls, folder: Path, environ: Mapping[str, str]) -> Repository:
        """Raises UsageError where there is none, or no git."""
        found = _git(folder, "rev-parse", "--show-toplevel")
        if found is None:
            raise UsageError(f"{folder} is in no git repository (or git is not installed); --at needs one")
        return cls(Path(found), environ.get("GITHUB_HEAD_REF") or None)

    def commit(self, ref: str) -> Commit:
        """Raises UsageError for a name that git does not know here."""
        sha = None if ref.startswith("-") else _git(self.top, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if sha is None:
            hint = "fetch it first; a shallow clone has the newest commit only (actions/checkout: fetch-depth: 0)"
            raise UsageError(f"git knows no commit {ref!r} here; {hint}")
        return Commit(ref, sha, self._branch(ref))

    def base(self, of: Commit, head: Commit) -> Commit:
        """Where `head` left the branch of `of`: the merge base. Raises UsageError when they share no history."""
        sha = _git(self.top, "merge-base", of.sha, head.sha)
        if sha is None:
            hint = "a shallow clone lacks the history (actions/checkout: fetch-depth: 0)"
            raise UsageError(f"{of.ref} and {head.ref} share no commit; {hint}")
        return Commit(of.ref, sha, of.branch)

    def changed(self) -> int:
        """How many tracked files differ from the commit that is checked out."""
        found = _git(self.top, "status", "--porcelain", "--untracked-files=no")
        return len(found.splitlines()) if found else 0

    def _branch(self, ref: str) -> str | None:
        """A branch without its remote, a tag as it is; HEAD is the branch that is checked out, or what CI says."""
        if ref == "HEAD":
            return _git(self.top, "symbolic-ref", "--short", "--quiet", "HEAD") or self.head_ref
        full = _git(self.top, "rev-parse", "--symbolic-full-name", ref) or ""
        kind, _, name = full.removeprefix("refs/").partition("/")
        if kind == "remotes":
            return name.partition("/")[2] or None
        return name if kind in ("heads", "tags") and name else None

    @contextmanager
    def copy(self, commit: Commit, folder: Path) -> Iterator[Path]:
        """The tree of a commit in a folder of its own, as long as it is held; nothing of the checkout is touched."""
        place = folder / f"{commit.sha[:16]}-{os.getpid()}"
        folder.mkdir(parents=True, exist_ok=True)
        _git(self.top, "worktree", "prune")
        _sweep(folder)
        _must(self.top, "worktree", "add", "--detach", "--quiet", "--force", str(place), commit.sha)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
            _git(self.top, "worktree", "prune")


def _sweep(folder: Path) -> None:
    """Copies of processes that are gone."""
    for left in folder.iterdir():
        pid = left.name.rpartition("-")[2]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _run(folder: Path, words: tuple[str, ...]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(  # noqa: S603 - git, with words of ours and names that git itself resolved
            ["git", *words],  # noqa: S607 - the user's own git
            cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str | None:
    done = _run(folder, words)
    return done.stdout.strip() or None if done is not None and done.returncode == 0 else None


def _must(folder: Path, *words: str) -> None:
    done = _run(folder, words)
    if done is None or done.returncode != 0:
        said = "git did not end" if done is None else done.stderr.strip()
        raise UsageError(f"git {' '.join(words[:2])} failed: {said}")
