"""Recorded files: pictures, recordings and tables beside a recording are answers like any other."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from evalkit import registry
from evalkit.core.errors import ConfigError
from evalkit.core.keys import digest_bytes
from evalkit.core.types import Sample, Tools


class Files:
    def __init__(self):
        self.data = {}

    def put(self, data, media_type):
        self.data[digest_bytes(data)] = data
        return {"$blob": digest_bytes(data), "type": media_type}

    def get(self, ref):
        return self.data[ref["$blob"]]


def recorded(folder, *lines):
    (folder / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tools = Tools(str(folder), Files(), lambda text, _: text, lambda _: None)
    return registry.make("providers", "replay", tools=tools, model="r.jsonl")


def answer(candidate, ident):
    ctx = SimpleNamespace(repeat=0, blobs=Files())
    response = asyncio.run(candidate.answer(Sample(ident, {}), ctx))
    asyncio.run(candidate.close())
    return response, ctx.blobs


def test_files_become_references_with_their_type(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.flac").write_bytes(b"fLaC1")
    (tmp_path / "t.csv").write_bytes(b"a\n1\n")
    output = {"speech": {"$file": "out/a.flac"}, "tables": [{"$file": "t.csv"}], "text": "hi"}
    response, blobs = answer(recorded(tmp_path, {"id": "s", "output": output}), "s")
    assert response.output["speech"]["type"] == "audio/flac"
    assert blobs.get(response.output["speech"]) == b"fLaC1"
    assert response.output["tables"][0]["type"] == "text/csv"
    assert response.output["text"] == "hi"


def test_tool_calls_and_meta_are_read(tmp_path):
    line = {
        "id": "s",
        "output": None,
        "tool_calls": [{"name": "f", "arguments": "{}"}],
        "meta": {"ranking": [["d", 1.0]]},
    }
    response, _ = answer(recorded(tmp_path, line), "s")
    assert response.tool_calls == ({"name": "f", "arguments": "{}"},)
    assert response.meta == {"ranking": [["d", 1.0]]}


def test_a_changed_file_is_a_changed_recording(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"one")
    line = {"id": "s", "output": {"$file": "a.bin"}}
    first = recorded(tmp_path, line)
    (tmp_path / "a.bin").write_bytes(b"two")
    second = recorded(tmp_path, line)
    assert first.fingerprint != second.fingerprint
    for one in (first, second):
        asyncio.run(one.close())


@pytest.mark.parametrize(
    ("name", "told"), [("gone.png", "there is no file 'gone.png'"), ("../out.png", "leaves the recording's folder")]
)
def test_files_that_are_not_there_or_elsewhere_are_found_before_the_run(tmp_path, name, told):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "out.png").write_bytes(b"x")
    with pytest.raises(ConfigError) as caught:
        recorded(folder, {"id": "s1", "output": [{"$file": name}]})
    (problem,) = caught.value.problems
    assert problem.line == 1
    assert told in problem.message
    assert "'s1'" in problem.message


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ConfigError, match="leaves the recording's folder"):
        recorded(folder, {"id": "s1", "output": {"$file": "link"}})


def test_a_file_that_goes_away_meanwhile_is_a_failed_answer(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"one")
    candidate = recorded(tmp_path, {"id": "s", "output": {"$file": "a.bin"}})
    (tmp_path / "a.bin").unlink()
    response, _ = answer(candidate, "s")
    assert "there is no file 'a.bin'" in response.error.message
