"""Where a verdict is said on GitHub: one comment per suite, check runs, the step's summary and outputs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalkit.gate.rest import Refused, Reply, Rest

SUMMARY_BYTES = 1024 * 1024
"""GitHub refuses a larger summary of one step."""
PER_REQUEST = 50
"""Most annotations that one request may carry."""
_PAGES = 100
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NEXT = re.compile(r'<([^>]+)>\s*;[^,]*\brel="next"')
_TRUSTED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})

How = Literal["created", "updated", "unchanged", "summary"]
Conclusion = Literal["success", "failure", "neutral"]


@dataclass(frozen=True, slots=True)
class Upserted:
    """What became of a comment or check run; `summary` = it could not be written, `reason` says why."""

    url: str | None
    how: How
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A check run; `annotations` as GitHub takes them: path, start_line, end_line, annotation_level, message."""

    name: str
    conclusion: Conclusion
    title: str
    summary: str
    annotations: Sequence[Mapping[str, Any]] = ()


def upsert_comment(api: str, token: str, repo: str, number: int, marker: str, body: str) -> Upserted:
    """Make the one comment on an issue or pull request that begins with `marker` say `body`; never raises for GitHub.

    `api` = https://api.github.com or a server's own; `repo` = owner/name; raises ValueError where that is neither.
    """
    return upsert(Rest(api, token), repo, number, marker, body)


def upsert(rest: Rest, repo: str, number: int, marker: str, body: str) -> Upserted:
    """`upsert_comment` over a client with its own patience."""
    if not _REPOSITORY.fullmatch(repo) or number < 1:
        raise ValueError(f"{repo!r} number {number} is no pull request: owner/name and a number from 1")
    issue = f"/repos/{repo}/issues/{number}/comments"
    try:
        old = _find(rest, issue, marker)
        if old is not None:
            changed = _change(rest, repo, old, body)
            if changed is not None:
                return changed
        made = rest.post(issue, {"body": body}, lambda: _reply_of(_find(rest, issue, marker)))
    except Refused as refusal:
        return Upserted(None, "summary", _why(refusal))
    return Upserted(_url(made.body), "created")


def check_run(rest: Rest, repo: str, sha: str, check: Check) -> Upserted:
    """Post a completed check run on a commit; annotations beyond 50 follow in further requests."""
    if not _REPOSITORY.fullmatch(repo):
        raise ValueError(f"{repo!r} is no repository: owner/name")
    first, *rest_of = _parts(check.annotations) or [[]]
    identity = hashlib.sha256(f"{check.name}\x1f{check.title}\x1f{check.summary}".encode()).hexdigest()[:20]
    body = {
        "name": check.name,
        "head_sha": sha,
        "status": "completed",
        "conclusion": check.conclusion,
        "external_id": identity,
        "output": _output(check, first),
    }
    try:
        made = rest.post(f"/repos/{repo}/check-runs", body, lambda: _posted(rest, repo, sha, identity))
        for part in rest_of:
            rest.patch(f"/repos/{repo}/check-runs/{made.body['id']}", {"output": _output(check, part)})
    except Refused as refusal:
        return Upserted(None, "summary", _why(refusal))
    return Upserted(_url(made.body), "created")


def step_summary(path: Path, text: str) -> str:
    """Append to the step's summary; what does not fit into 1 MiB is cut at a line, and the returned words say so."""
    taken = path.stat().st_size if path.exists() else 0
    data, room = (text.rstrip("\n") + "\n\n").encode("utf-8", "replace"), SUMMARY_BYTES - taken
    note = b"\n\n_Cut: the summary of a step is bounded._\n"
    cut = len(data) > room
    if cut:
        data = data[: max(0, room - len(note))].rpartition(b"\n")[0] + note if room > len(note) else b""
    with path.open("ab") as file:
        file.write(data)
    return f"the step's summary was cut at {SUMMARY_BYTES:,} bytes" if cut else ""


def outputs(path: Path, values: Mapping[str, str]) -> None:
    """Append a step's outputs; no value can end its own block. Raises ValueError for a name that is none."""
    lines = []
    for name, value in values.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an output")
        end = "end"
        while end in value:
            end = "end_" + hashlib.sha256(f"{end}{value}".encode("utf-8", "replace")).hexdigest()[:16]
        lines.append(f"{name}<<{end}\n{value}\n{end}\n")
    with path.open("ab") as file:
        file.write("".join(lines).encode("utf-8", "replace"))


def _find(rest: Rest, issue: str, marker: str) -> dict[str, Any] | None:
    """The oldest comment that begins with the marker and that a bot or somebody with rights here wrote."""
    return next((one for one in _comments(rest, issue) if _ours(one, marker)), None)


def _comments(rest: Rest, issue: str) -> Iterator[dict[str, Any]]:
    page: str | None = f"{issue}?per_page=100"
    for _ in range(_PAGES):
        if page is None:
            return
        reply = rest.get(page)
        yield from (one for one in reply.body or () if isinstance(one, dict))
        found = _NEXT.search(reply.headers.get("link", ""))
        page = found.group(1) if found else None


def _ours(one: Mapping[str, Any], marker: str) -> bool:
    """Anybody may write the marker into a comment of his own: that one is left alone."""
    user = one.get("user") or {}
    known = user.get("type") == "Bot" or one.get("author_association") in _TRUSTED
    return known and str(one.get("body") or "").lstrip().startswith(marker)


def _change(rest: Rest, repo: str, old: Mapping[str, Any], body: str) -> Upserted | None:
    """Update the comment; None where it is gone by now."""
    if str(old.get("body")).replace("\r\n", "\n").strip() == body.strip():
        return Upserted(_url(old), "unchanged")
    try:
        made = rest.patch(f"/repos/{repo}/issues/comments/{old['id']}", {"body": body})
    except Refused as refusal:
        if refusal.status == 404:
            return None
        raise
    return Upserted(_url(made.body), "updated")


def _reply_of(found: dict[str, Any] | None) -> Reply | None:
    return None if found is None else Reply(200, {}, found)


def _posted(rest: Rest, repo: str, sha: str, identity: str) -> Reply | None:
    listed = rest.get(f"/repos/{repo}/commits/{sha}/check-runs?per_page=100")
    return next(
        (
            Reply(200, {}, run)
            for run in (listed.body or {}).get("check_runs", ())
            if run.get("external_id") == identity
        ),
        None,
    )


def _parts(annotations: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    return [list(annotations[start : start + PER_REQUEST]) for start in range(0, len(annotations), PER_REQUEST)]


def _output(check: Check, annotations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"title": check.title[:255], "summary": check.summary[:65_535], "annotations": list(annotations)}


def _url(body: Any) -> str | None:
    found = body.get("html_url") if isinstance(body, Mapping) else None
    return found if isinstance(found, str) else None


def _why(refusal: Refused) -> str:
    hints = {
        401: "the token is not valid",
        403: "the token may not write here: pull requests from forks get a read-only one",
        404: "no such repository or pull request, or the token does not see it",
        422: "GitHub did not take what was sent",
    }
    hint = hints.get(refusal.status or 0)
    return f"{refusal}{f' ({hint})' if hint else ''}; it stands in the step's summary"
