"""The datasets library over local files, and what happens without a pin, a network or the library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evalkit.core.errors import ConfigError, MissingComponent, Problem
from evalkit.data import hub
from evalkit.data._records import Media

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
    "a5f645400000000049454e44ae426082"
)
COMMIT = "a" * 40


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "test.jsonl").write_text('{"id": 1, "input": "a", "n": [1.5, null]}\n{"id": 2, "input": "b", "n": []}\n')
    return folder


def test_a_local_builder_reads_named_files(lines: Path) -> None:
    source = hub.make(path="json", data_files="set/*.jsonl", root=lines.parent)
    found = list(source.records())
    assert [dict(record.fields) for record in found] == [
        {"id": 1, "input": "a", "n": [1.5, None]},
        {"id": 2, "input": "b", "n": []},
    ]
    assert (found[1].file, found[1].line) == ("hub:json:test", 2)


def test_a_local_folder_is_read_without_a_pin(lines: Path) -> None:
    source = hub.make(path="set", root=lines.parent)
    assert [record.fields["id"] for record in source.records()] == [1, 2]
    before = source.fingerprint()
    (lines / "test.jsonl").write_text('{"id": 3}\n')
    assert source.fingerprint() != before
    assert source.describe() == {
        "source": "hub", "path": "set", "config": None, "split": "test", "revision": None, "data_files": None,
    }  # fmt: skip


def test_a_missing_split_and_a_broken_file_are_named(lines: Path) -> None:
    with pytest.raises(ConfigError, match="hub:set:train: cannot be read: Bad split"):
        list(hub.make(path="set", split="train", root=lines.parent).records())
    (lines / "test.jsonl").write_text("{")
    with pytest.raises(ConfigError, match="hub:set:test: cannot be read"):
        list(hub.make(path="set", root=lines.parent).records())
    with pytest.raises(ConfigError, match="there is no file"):
        list(hub.make(path="json", data_files="nope.jsonl", root=lines.parent).records())


def test_labels_become_names_and_media_stay_encoded(tmp_path: Path) -> None:
    import pyarrow.parquet

    import datasets as library

    features = library.Features(
        {
            "label": library.ClassLabel(names=["no", "yes"]),
            "photo": library.Image(),
            "when": library.Value("timestamp[s]"),
        }
    )
    photo = {"bytes": PNG, "path": None}
    rows = {"label": [1, -1, None], "photo": [photo, photo, None], "when": [0, 1, 2]}
    pyarrow.parquet.write_table(pyarrow.table(rows, schema=features.arrow_schema), tmp_path / "test.parquet")
    found = [
        dict(record.fields) for record in hub.make(path="parquet", data_files="test.parquet", root=tmp_path).records()
    ]
    assert [row["label"] for row in found] == ["yes", None, None]
    assert found[0]["photo"] == Media(data=PNG, media_type="image/png")
    assert found[2]["photo"] is None
    assert found[1]["when"] == "1970-01-01T00:00:01"


def test_what_has_no_json_form_is_a_problem() -> None:
    found = hub._record({"a": object()}, "hub:x", 3)
    assert isinstance(found, Problem)
    assert str(found) == "hub:x:3: a value of type object has no JSON form"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": "some/set"}, "revision is missing; pin 'some/set'"),
        ({"path": "some/set", "revision": "main"}, "revision is 'main'"),
        ({"path": "some/set", "revision": "v1.0"}, "branches and tags move"),
        ({"path": "json"}, "name them in data_files"),
        ({"path": "json", "data_files": ["https://example.org/a.json"]}, "local paths"),
        ({"path": "json", "data_files": "../a.json"}, "inside the suite's folder"),
        ({"path": "json", "data_files": "/etc/*.json"}, "inside the suite's folder"),
        ({"path": "x", "revison": COMMIT}, "did you mean 'revision'"),
    ],
)
def test_what_is_not_pinned_or_not_local_is_refused(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        hub.make(**options)


def test_a_pinned_set_is_known_by_its_name_and_commit() -> None:
    one = hub.make(path="some/set", revision=COMMIT).fingerprint()
    assert one == hub.make(path="some/set", revision=COMMIT).fingerprint()
    assert one != hub.make(path="some/set", revision="b" * 40).fingerprint()


_ASK = """
import json, sys, time
from evalkit.core.errors import ConfigError
from evalkit.data import hub
hub._library()
from huggingface_hub import constants
start = time.monotonic()
try:
    list(hub.make(path="some/set", revision="a" * 40).records())
except ConfigError as error:
    said = str(error)
print(json.dumps([said, time.monotonic() - start, constants.HF_HUB_DISABLE_TELEMETRY]))
"""


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "check the name and the network"),
    ],
)
def test_offline_is_said_at_once_and_telemetry_is_off(tmp_path: Path, environment: dict, said: str) -> None:
    own = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path), **environment}
    done = subprocess.run([sys.executable, "-c", _ASK], env=own, capture_output=True, text=True, check=True, timeout=60)
    message, seconds, quiet = json.loads(done.stdout.splitlines()[-1])
    assert said in message
    # The library itself retries for 23 seconds; this only tells that apart, it measures no speed.
    assert seconds < 15
    assert quiet is True


BODY = b'{"id": 1, "input": "a"}\n{"id": 2, "input": "b"}\n'
_TREE = [{"type": "file", "oid": "b" * 40, "size": len(BODY), "path": "test.jsonl"}]
_INFO = {"id": "some/set", "sha": COMMIT, "siblings": [{"rfilename": "test.jsonl"}], "private": False, "tags": []}


class _HubServer(BaseHTTPRequestHandler):
    """The part of the hub's API that one data set of one file needs."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path == f"/api/datasets/some/set/revision/{COMMIT}":
            self._reply(200, json.dumps(_INFO).encode())
        elif path == f"/api/datasets/some/set/tree/{COMMIT}":
            self._reply(200, json.dumps(_TREE).encode())
        elif path == f"/datasets/some/set/resolve/{COMMIT}/test.jsonl":
            self._reply(200, BODY)
        else:
            self._reply(404, b"{}", "EntryNotFound")

    do_HEAD = do_GET  # noqa: N815 - the server calls it by this name

    def _reply(self, status: int, body: bytes, error: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"b"')
        self.send_header("X-Repo-Commit", COMMIT)
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


_PINNED = """
import json
from evalkit.data import hub
print(json.dumps([record.fields for record in hub.make(path="some/set", revision="a" * 40).records()]))
"""


def test_a_pinned_set_is_streamed_from_the_hub(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _HubServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        own = {
            **os.environ,
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(tmp_path),
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        }
        done = subprocess.run(
            [sys.executable, "-c", _PINNED], env=own, capture_output=True, text=True, check=True, timeout=60
        )
        server.shutdown()
    assert json.loads(done.stdout) == [{"id": 1, "input": "a"}, {"id": 2, "input": "b"}]


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "datasets").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "datasets"]:
        monkeypatch.delitem(sys.modules, name)
    with monkeypatch.context() as hidden:
        hidden.setattr(sys, "path", [str(tmp_path), *(p for p in sys.path if "site-packages" not in p)])
        with pytest.raises(MissingComponent, match=r"evalkit\[hf\]"):
            hub._library()
    # What was found just now is a bare folder; nothing after this test may meet it.
    sys.modules.pop("datasets")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingComponent, match=r"evalkit\[hf\]"):
        hub._library()
