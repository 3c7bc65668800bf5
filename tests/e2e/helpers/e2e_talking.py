"""A server that speaks the chat API and the shapes of text classifiers, scripted by the test, on a thread of its own."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from evalkit.app.query import query
from evalkit.app.workspace import open_workspace
from evalkit.cli.main import main

ROOT = Path(__file__).parents[3]


@dataclass
class Talking:
    """What the server was asked, and what it says: `reply` gets the parsed body and gives JSON, or a response."""

    reply: Callable[[str, dict[str, Any]], Any]
    url: str = ""
    asked: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append((request.path, dict(request.headers), body))
        said = self.reply(request.path, body)
        return said if isinstance(said, web.StreamResponse) else web.json_response(said)


def chat_reply(model: str, content: str) -> dict[str, Any]:
    """A chat completion as the API writes it."""
    message = {"role": "assistant", "content": content, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 50, "completion_tokens": 10, "total_tokens": 60},
    }


@contextmanager
def talking(reply: Callable[[str, dict[str, Any]], Any]) -> Iterator[Talking]:
    """The server, as long as the block lasts."""
    server = Talking(reply)
    loop = asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/{tail:.*}", server.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@dataclass
class Copied:
    """A copy of bundled suites with their data in a folder, and commands over it."""

    root: Path

    @classmethod
    def of(
        cls, root: Path, dataset: str, suites: Mapping[str, Mapping[str, Any]], candidates: Mapping[str, Any]
    ) -> Copied:
        """Copy; `suites` = name -> what is laid over the suite, `candidates` stand beside those of evalkit.yaml."""
        shutil.copytree(ROOT / "datasets" / dataset, root / "datasets" / dataset)
        shutil.copytree(ROOT / "suites" / "prompts", root / "suites" / "prompts")
        for name, changes in suites.items():
            suite = {**yaml.safe_load((ROOT / "suites" / f"{name}.yaml").read_text("utf-8")), **changes}
            (root / "suites" / f"{name}.yaml").write_text(yaml.safe_dump(suite, sort_keys=False), "utf-8")
        project = yaml.safe_load((ROOT / "evalkit.yaml").read_text("utf-8"))
        project["candidates"] = {**project["candidates"], **candidates}
        (root / "evalkit.yaml").write_text(yaml.safe_dump(project, sort_keys=False), "utf-8")
        return cls(root)

    def run(self, suite: str, *arguments: str) -> int:
        """The exit code of a run."""
        try:
            main(["run", str(self.root / "suites" / f"{suite}.yaml"), "--quiet", "--json", *arguments])
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    def sql(self, text: str) -> list[dict[str, Any]]:
        """Rows of the store."""
        return query(open_workspace(self.root, {}), text)[1]

    def values(self, suite: str, candidate: str) -> dict[str, float | None]:
        """The metrics of one candidate over all samples."""
        rows = self.sql(
            "select metric, value_dropped, slice from leaderboard"
            f" where suite = '{suite}' and candidate = '{candidate}'"
        )
        return {row["metric"]: row["value_dropped"] for row in rows if not row["slice"]}
