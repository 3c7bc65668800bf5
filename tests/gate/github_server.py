"""A GitHub of one repository over a real socket: the REST endpoints that evalkit uses, strict about every request."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPO = "octo/shop"
TOKEN = "ghs_secret-of-this-test"
BOT = {"login": "github-actions[bot]", "type": "Bot"}

Reply = tuple[int, Any, dict[str, str]]
Fault = Callable[["Hub", str, str], Reply | None]


@dataclass
class Hub:
    """The state of the repository; `faults` are asked in order, each is used up by giving a reply (or raising)."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    read_only: bool = False
    faults: list[tuple[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    base: str = ""
    longest: int = 65_536

    def comment(self, body: str, **other: Any) -> dict[str, Any]:
        """Somebody wrote a comment."""
        number = len(self.comments) + 1
        made = {
            "id": number,
            "body": body,
            "user": BOT,
            "author_association": "NONE",
            "html_url": f"https://github.example/{REPO}/pull/7#issuecomment-{number}",
        }
        self.comments.append({**made, **other})
        return self.comments[-1]

    def writes(self) -> list[tuple[str, str]]:
        return [one for one in self.requests if one[0] != "GET"]

    def answer(self, method: str, target: str, body: Any) -> Reply:
        url = urlsplit(target)
        path, query = url.path.removeprefix("/api/v3"), {k: v[0] for k, v in parse_qs(url.query).items()}
        if path == f"/repos/{REPO}/issues/7/comments" and method == "GET":
            return self._listed(path, query)
        if method != "GET" and self.read_only:
            return 403, {"message": "Resource not accessible by integration"}, {}
        if path == f"/repos/{REPO}/issues/7/comments" and method == "POST":
            return self._written(body, None)
        if (found := re.fullmatch(rf"/repos/{REPO}/issues/comments/(\d+)", path)) and method == "PATCH":
            return self._written(body, int(found[1]))
        if path == f"/repos/{REPO}/check-runs" and method == "POST":
            return self._checked(body, None)
        if (found := re.fullmatch(rf"/repos/{REPO}/check-runs/(\d+)", path)) and method == "PATCH":
            return self._checked(body, int(found[1]))
        if re.fullmatch(rf"/repos/{REPO}/commits/[0-9a-f]+/check-runs", path) and method == "GET":
            return 200, {"total_count": len(self.checks), "check_runs": self.checks}, {}
        return 404, {"message": "Not Found"}, {}

    def _listed(self, path: str, query: dict[str, str]) -> Reply:
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        shown = self.comments[(page - 1) * size : page * size]
        links = [f'<{self.base}/api/v3{path}?per_page={size}&page=1>; rel="first"']
        if page * size < len(self.comments):
            links.append(f'<{self.base}/api/v3{path}?per_page={size}&page={page + 1}>; rel="next"')
        return 200, shown, {"Link": ", ".join(links)}

    def _written(self, body: Any, number: int | None) -> Reply:
        if not isinstance(body, dict) or set(body) != {"body"} or not body["body"].strip():
            self.wrong.append(f"a comment with {body!r}")
        if len(body["body"]) > self.longest:
            return 422, {"message": "Validation Failed: body is too long"}, {}
        if number is None:
            return 201, self.comment(body["body"]), {}
        found = next((one for one in self.comments if one["id"] == number), None)
        if found is None:
            return 404, {"message": "Not Found"}, {}
        found["body"] = body["body"].replace("\n", "\r\n")
        return 200, found, {}

    def _checked(self, body: Any, number: int | None) -> Reply:
        told = body["output"]["annotations"]
        if len(told) > 50:
            return 422, {"message": "No more than 50 annotations"}, {}
        levels = {"notice", "warning", "failure"}
        if any(
            not {"path", "start_line", "end_line", "message"} <= set(one) or one["annotation_level"] not in levels
            for one in told
        ):
            self.wrong.append(f"annotations {told!r}")
        if number is None:
            if body["status"] != "completed" or not re.fullmatch("[0-9a-f]{40}", body["head_sha"]):
                self.wrong.append(f"a check run with {body!r}")
            number = len(self.checks) + 1
            self.checks.append(
                {"id": number, "html_url": f"https://github.example/{REPO}/runs/{number}", "told": [], **body}
            )
            self.checks[-1]["told"] += told
            return 201, self.checks[-1], {}
        self.checks[number - 1]["told"] += told
        return 200, self.checks[number - 1], {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(size)
        self._look(data)
        self.hub.requests.append((self.command, self.path))
        reply: Reply | None = None
        body = json.loads(data) if data else None
        for place, (method, fault) in enumerate(self.hub.faults):
            if method == self.command:
                del self.hub.faults[place]
                reply = fault(self.hub, self.path, body) if callable(fault) else fault
                break
        if reply is None:
            reply = self.hub.answer(self.command, self.path, body)
        if reply[0] == 0:
            self.close_connection = True
            return
        status, value, headers = reply
        sent = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        try:
            self.wfile.write(sent)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def _look(self, data: bytes) -> None:
        wanted = {
            "Authorization": f"Bearer {TOKEN}",
            "Accept": "application/vnd.github+json",
            "X-Github-Api-Version": "2022-11-28",
            "User-Agent": "evalkit",
            **({"Content-Type": "application/json"} if data else {}),
        }
        for name, value in wanted.items():
            if self.headers.get(name) != value:
                self.hub.wrong.append(f"{self.command} {self.path}: {name} is {self.headers.get(name)!r}")


def lost(hub: Hub, path: str, body: Any) -> Reply:
    """The request is done, and the reply never arrives."""
    hub.answer("POST" if path.endswith(("comments", "check-runs")) else "GET", path, body)
    return 0, None, {}


def slow(hub: Hub, path: str, body: Any) -> Reply:
    """Later than anybody waits."""
    time.sleep(0.6)
    return 0, None, {}


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on a port of this machine; what was wrong with the requests is in `wrong`."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    hub.base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
