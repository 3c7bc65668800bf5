"""GitHub over a real socket: one comment per suite, patience with faults, no token in an error, the step's files."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from evalkit.gate.comment import comment, marker
from evalkit.gate.github import Check, check_run, outputs, step_summary, upsert, upsert_comment
from evalkit.gate.rest import Refused, Rest

sys.path.insert(0, str(Path(__file__).parent))
from gate_cases import CASES
from github_server import REPO, TOKEN, Hub, lost, serving, slow

MARKER = marker("triage")
BODY = comment(*CASES["regression"]())
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as found:
        yield found
        assert found.wrong == []


class Patience:
    """A client of the hub that counts its pauses instead of waiting."""

    def __init__(self, hub: Hub, **options: Any) -> None:
        self.pauses: list[float] = []
        self.rest = Rest(f"{hub.base}/api/v3", TOKEN, pause=self.pauses.append, **{"timeout_s": 5.0, **options})

    def upsert(self, body: str = BODY, number: int = 7) -> Any:
        return upsert(self.rest, REPO, number, MARKER, body)


def test_two_runs_make_one_comment(hub: Hub) -> None:
    first = upsert_comment(f"{hub.base}/api/v3/", TOKEN, REPO, 7, MARKER, BODY)
    assert (first.how, first.reason, first.url) == ("created", "", hub.comments[0]["html_url"])
    again = upsert_comment(f"{hub.base}/api/v3", TOKEN, REPO, 7, MARKER, BODY + "more\n")
    assert (again.how, again.url) == ("updated", first.url)
    same = upsert_comment(f"{hub.base}/api/v3", TOKEN, REPO, 7, MARKER, BODY + "more\n")
    assert (same.how, same.url) == ("unchanged", first.url)
    assert len(hub.comments) == 1
    assert hub.comments[0]["body"].replace("\r\n", "\n") == BODY + "more\n"
    assert [method for method, _ in hub.writes()] == ["POST", "PATCH"]


def test_the_comment_is_found_beyond_a_hundred_others(hub: Hub) -> None:
    for number in range(250):
        hub.comment(f"comment {number}, not at its beginning: {MARKER}")
    hub.comment(f"{MARKER}\nold")
    for number in range(40):
        hub.comment(f"later {number}")
    assert Patience(hub).upsert().how == "updated"
    assert (len(hub.comments), hub.comments[250]["body"].startswith(MARKER)) == (291, True)
    assert len([one for one in hub.requests if one[0] == "GET"]) == 3


def test_suites_have_a_comment_each(hub: Hub) -> None:
    hub.comment(f"{marker('triage-2')}\nanother suite")
    assert Patience(hub).upsert().how == "created"
    assert len(hub.comments) == 2


def test_a_stranger_with_our_marker_is_left_alone(hub: Hub) -> None:
    hub.comment(f"{MARKER}\nmine!", user={"login": "mallory", "type": "User"}, author_association="CONTRIBUTOR")
    hub.comment(f"{MARKER}\ngone user", user=None, author_association="NONE")
    assert Patience(hub).upsert().how == "created"
    assert hub.comments[0]["body"].endswith("mine!")
    hub.comments[2]["user"], hub.comments[2]["author_association"] = {"login": "dev", "type": "User"}, "MEMBER"
    assert Patience(hub).upsert("x" + BODY).how == "updated"


def test_a_comment_that_goes_meanwhile_is_made_anew(hub: Hub) -> None:
    hub.comment(f"{MARKER}\nold")
    hub.faults.append(("PATCH", (404, {"message": "Not Found"}, {})))
    assert Patience(hub).upsert().how == "created"
    assert len(hub.comments) == 2


def test_the_read_only_token_of_a_fork_falls_back_to_the_summary(hub: Hub, tmp_path: Path) -> None:
    hub.read_only = True
    waiting = Patience(hub)
    found = waiting.upsert()
    assert (found.how, found.url, waiting.pauses) == ("summary", None, [])
    assert found.reason == (
        f"POST /repos/{REPO}/issues/7/comments: 403: Resource not accessible by integration (the token may not write "
        "here: pull requests from forks get a read-only one); it stands in the step's summary"
    )
    assert step_summary(tmp_path / "summary.md", BODY) == ""
    assert (tmp_path / "summary.md").read_text("utf-8").startswith(MARKER)
    hub.comment(f"{MARKER}\nold")
    assert Patience(hub).upsert().reason.startswith(f"PATCH /repos/{REPO}/issues/comments/1: 403")


@pytest.mark.parametrize(
    ("status", "message", "hint"),
    [
        (401, "Bad credentials", "(the token is not valid)"),
        (404, "Not Found", "(no such repository or pull request, or the token does not see it)"),
        (422, "Validation Failed", "(GitHub did not take what was sent)"),
        (410, "Issues are disabled", "410: Issues are disabled; it stands"),
    ],
)
def test_lasting_refusals_are_said_at_once(hub: Hub, status: int, message: str, hint: str) -> None:
    hub.faults.append(("POST", (status, {"message": message}, {})))
    waiting = Patience(hub)
    found = waiting.upsert()
    assert (found.how, waiting.pauses) == ("summary", [])
    assert hint in found.reason
    assert TOKEN not in found.reason


def test_a_body_that_is_too_long_is_refused_and_said(hub: Hub) -> None:
    assert "422: Validation Failed: body is too long" in Patience(hub).upsert("x" * 70_000).reason


def test_an_unknown_pull_request(hub: Hub) -> None:
    assert "404: Not Found" in Patience(hub).upsert(number=8).reason


def test_server_errors_are_tried_again(hub: Hub) -> None:
    for status in (500, 502, 503):
        hub.faults.append(("GET", (status, b"<html>oops</html>", {})))
    waiting = Patience(hub, jitter=lambda: 0.0)
    assert waiting.upsert().how == "created"
    assert waiting.pauses == [0.5, 1.0, 2.0]
    hub.comment("x")
    hub.faults += [("PATCH", (502, None, {}))] * 4
    refused = Patience(hub)
    found = refused.upsert("other")
    assert (found.how, refused.pauses) == ("summary", [1.0, 2.0, 4.0])
    assert found.reason == f"PATCH /repos/{REPO}/issues/comments/1: 502; it stands in the step's summary"


@pytest.mark.parametrize("fault", [lost, (502, {"message": "Bad Gateway"}, {}), slow], ids=["lost", "502", "slow"])
def test_a_comment_is_never_made_twice(hub: Hub, fault: Any) -> None:
    hub.faults.append(("POST", fault))
    waiting = Patience(hub, timeout_s=0.3)
    assert waiting.upsert().how == "created"
    assert len(hub.comments) == 1
    assert len(waiting.pauses) == 1


def test_a_server_that_never_answers(hub: Hub) -> None:
    hub.faults += [("POST", lambda *_: (0, None, {}))] * 3
    waiting = Patience(hub, tries=3)
    found = waiting.upsert()
    assert (found.how, len(waiting.pauses), hub.comments) == ("summary", 2, [])
    assert found.reason.startswith(f"POST /repos/{REPO}/issues/7/comments: no reply (")
    hub.faults.append(("GET", slow))
    assert "no reply in time" in Patience(hub, tries=1, timeout_s=0.2).upsert().reason


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        pauses: list[float] = []
        rest = Rest(f"http://127.0.0.1:{taken.getsockname()[1]}", TOKEN, tries=2, pause=pauses.append)
        found = upsert(rest, REPO, 7, MARKER, BODY)
    assert (found.how, pauses) == ("summary", [1.0])
    assert "no reply (" in found.reason


def test_rate_limits_wait_as_long_as_asked(hub: Hub) -> None:
    told = {"message": "You have exceeded a secondary rate limit."}
    now = formatdate(1_790_000_000, usegmt=True)
    hub.faults += [
        ("GET", (403, told, {"Retry-After": "7"})),
        ("GET", (429, told, {})),
        ("POST", (403, told, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1790000042", "Date": now})),
        ("POST", (403, {"message": "API rate limit exceeded"}, {"X-RateLimit-Remaining": "1"})),
    ]
    waiting = Patience(hub)
    assert waiting.upsert().how == "created"
    assert waiting.pauses == [7.0, 2.0, 42.0, 2.0]
    assert len(hub.comments) == 1


def test_a_reset_is_counted_by_the_servers_clock() -> None:
    from evalkit.gate.rest import Reply, _asked

    limited = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1790000042"}
    at = {**limited, "date": formatdate(1_790_000_000, usegmt=True)}
    assert _asked(Reply(403, at, None)) == 42.0
    assert _asked(Reply(403, {**at, "date": formatdate(1_790_000_100, usegmt=True)}, None)) == 0.0
    assert _asked(Reply(403, {**at, "date": "yesterday"}, None)) is None
    assert _asked(Reply(403, limited, None)) is None
    assert _asked(Reply(403, {**at, "x-ratelimit-remaining": "3"}, None)) is None
    assert _asked(Reply(403, {**at, "x-ratelimit-reset": "soon"}, None)) is None


def test_waiting_is_bounded(hub: Hub) -> None:
    hub.faults.append(("GET", (429, {"message": "slow down"}, {"Retry-After": "3600"})))
    waiting = Patience(hub)
    found = waiting.upsert()
    assert (found.how, waiting.pauses) == ("summary", [])
    assert "429: slow down (asks to wait 3600 s)" in found.reason
    hub.faults += [("GET", (429, None, {"Retry-After": "1"}))] * 9
    patient = Patience(hub)
    assert patient.upsert().how == "summary"
    assert patient.pauses == [1.0, 1.0, 1.0]


def test_redirects_at_home_are_followed(hub: Hub) -> None:
    moved = f"{hub.base}/api/v3/repos/{REPO}/issues/7/comments"
    hub.faults += [
        ("GET", (301, None, {"Location": moved})),
        ("POST", (307, None, {"Location": f"/api/v3/repos/{REPO}/issues/7/comments"})),
    ]
    assert Patience(hub).upsert().how == "created"
    hub.faults += [("GET", (302, None, {"Location": moved}))] * 6
    assert "more than 5 redirects" in Patience(hub).upsert().reason


def test_redirects_elsewhere_never_see_the_token(hub: Hub) -> None:
    with serving() as other:
        for address in (other.base, "file:///etc/passwd"):
            hub.faults.append(("GET", (302, None, {"Location": f"{address}/x"})))
            found = Patience(hub).upsert()
            assert (found.how, "leads to another place" in found.reason) == ("summary", True)
        hub.faults.append(("GET", (200, [], {"Link": f'<{other.base}/x>; rel="next"'})))
        assert "leads to another place" in Patience(hub).upsert().reason
        assert other.requests == []
    hub.faults.append(("GET", (304, None, {})))
    assert ": 304" in Patience(hub).upsert().reason


def test_the_token_is_in_no_error(hub: Hub) -> None:
    hub.faults.append(("GET", (400, {"message": f"bad header: Bearer {TOKEN}"}, {})))
    found = Patience(hub)
    assert "bad header: Bearer ***" in found.upsert().reason
    assert TOKEN not in repr(found.rest)
    with pytest.raises(Refused, match="leads to another place"):
        Rest("ftp://x", TOKEN).get("/y")
    hub.faults.append(("GET", (400, {"message": "x"}, {})))
    assert "400: x" in upsert(Rest(f"{hub.base}/api/v3", ""), REPO, 7, MARKER, BODY).reason
    hub.wrong.clear()


def test_odd_replies(hub: Hub) -> None:
    hub.faults += [("GET", (200, b"not json", {})), ("POST", (201, b"", {}))]
    found = Patience(hub).upsert()
    assert (found.how, found.url) == ("created", None)


def test_endless_pages_end(hub: Hub) -> None:
    circle = {"Link": f'<{hub.base}/api/v3/repos/{REPO}/issues/7/comments?page=1>; rel="next"'}
    hub.faults += [("GET", (200, [], circle))] * 150
    assert Patience(hub).upsert().how == "created"
    assert len(hub.requests) == 101


@pytest.mark.parametrize(("repo", "number"), [("octo", 7), ("octo/shop/../x", 7), ("octo/shop", 0), ("a b/c", 1)])
def test_what_is_no_pull_request(repo: str, number: int) -> None:
    with pytest.raises(ValueError, match="is no pull request"):
        upsert_comment("http://127.0.0.1:1", TOKEN, repo, number, MARKER, BODY)
    if number:
        with pytest.raises(ValueError, match="is no repository"):
            check_run(Rest("http://127.0.0.1:1", TOKEN), repo, SHA, Check("n", "success", "t", "s"))


def made_check(count: int) -> Check:
    place = {"path": "suites/x.yaml", "start_line": 1, "end_line": 1, "annotation_level": "warning", "message": "m"}
    return Check(
        "evalkit: triage", "failure", "t" * 400, "s" * 70_000, [{**place, "title": str(n)} for n in range(count)]
    )


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (50, 1), (51, 2), (125, 3)])
def test_check_runs_carry_fifty_annotations_a_request(hub: Hub, count: int, requests: int) -> None:
    found = check_run(Patience(hub).rest, REPO, SHA, made_check(count))
    assert (found.how, found.url) == ("created", hub.checks[0]["html_url"])
    assert len(hub.writes()) == requests
    assert [one["title"] for one in hub.checks[0]["told"]] == [str(number) for number in range(count)]
    assert (len(hub.checks[0]["output"]["title"]), len(hub.checks[0]["output"]["summary"])) == (255, 65_535)


def test_a_check_run_is_never_made_twice(hub: Hub) -> None:
    hub.faults.append(("POST", lost))
    assert check_run(Patience(hub).rest, REPO, SHA, made_check(60)).how == "created"
    assert (len(hub.checks), len(hub.checks[0]["told"])) == (1, 60)
    hub.faults += [("POST", (503, None, {})), ("GET", (200, None, {}))]
    assert check_run(Patience(hub).rest, REPO, SHA, Check("other", "success", "t", "s")).how == "created"
    assert len(hub.checks) == 2


def test_a_check_run_with_a_forks_token(hub: Hub) -> None:
    hub.read_only = True
    found = check_run(Patience(hub).rest, REPO, SHA, made_check(1))
    assert (found.how, "read-only one" in found.reason) == ("summary", True)


def test_the_summary_is_appended_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    assert step_summary(path, "first\n") == ""
    assert step_summary(path, "second") == ""
    assert path.read_text("utf-8") == "first\n\nsecond\n\n"
    cut = step_summary(path, "line \u00e9\n" * 200_000)
    assert cut == "the step's summary was cut at 1,048,576 bytes"
    text = path.read_bytes()
    assert len(text) <= 1_048_576
    assert text.decode("utf-8").endswith("line \u00e9\n\n_Cut: the summary of a step is bounded._\n")
    size = path.stat().st_size
    assert step_summary(path, "x" * 100) != ""
    assert path.stat().st_size <= 1_048_576
    assert path.stat().st_size >= size
    path.write_bytes(b"x" * 1_048_570)
    assert step_summary(path, "some more text") != ""
    assert path.stat().st_size == 1_048_570


def test_outputs_cannot_end_their_own_block(tmp_path: Path) -> None:
    path = tmp_path / "output"
    hostile = "a\nend\nverdict=pass\nend_0\n"
    outputs(path, {"verdict": "regression", "text": hostile})
    lines = path.read_text("utf-8").splitlines()
    assert lines[:3] == ["verdict<<end", "regression", "end"]
    end = lines[3].removeprefix("text<<")
    assert end not in hostile
    assert lines[-1] == end
    assert lines.count(end) == 1
    with pytest.raises(ValueError, match="is no name of an output"):
        outputs(path, {"a=b": "x"})
