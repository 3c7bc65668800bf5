"""Speech through the whole program: utterances recognised, texts said, a recogniser over a socket, what is broken explained."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import jiwer
import pytest

from evalkit.cli.main import main

ROOT = Path(__file__).parents[2]
DIGITS = "pocketsphinx(grammar='digits', floor=0.001)"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one of the speech suites."""

    def made(suite, dataset):
        (tmp_path / "suites").mkdir()
        shutil.copy(ROOT / "suites" / f"{suite}.yaml", tmp_path / "suites")
        shutil.copytree(ROOT / "datasets" / dataset, tmp_path / "datasets" / dataset)
        (tmp_path / "evalkit.yaml").write_text("defaults: {store: .evalkit, reports: reports}\n", "utf-8")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return made


def evalkit(*arguments, code=0):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == code


def numbers(folder):
    """(candidate, metric) -> value, of everything without a slice; and (candidate, slice) -> value of the primary."""
    with duckdb.connect(str(folder / ".evalkit" / "store.duckdb"), read_only=True) as store:
        rows = store.sql(
            "select candidate, metric, slice, value, is_primary from result join entry using (entry_id)"
        ).fetchall()
    whole = {(candidate, metric): value for candidate, metric, part, value, _ in rows if not part}
    sliced = {(candidate, part): value for candidate, _, part, value, primary in rows if part and primary}
    return whole, sliced


def query(folder, text):
    with duckdb.connect(str(folder / ".evalkit" / "store.duckdb"), read_only=True) as store:
        return store.sql(text).fetchall()


def test_ten_utterances_are_recognised_and_shown(project, capsys):
    folder = project("asr", "utterances")
    evalkit("run", "suites/asr.yaml", "--limit", "10", "-q", "-c", DIGITS)
    whole, _ = numbers(folder)
    assert 0 < whole[DIGITS, "wer"] <= 1.5
    assert whole[DIGITS, "real_time_factor"] > 0
    assert whole[DIGITS, "cost_usd"] == 0
    evalkit("report")
    page = (folder / "reports/evidence/asr.html").read_text("utf-8")
    assert page.count("<audio") >= 3


@pytest.mark.nightly
def test_the_whole_suite_tells_the_two_recognisers_apart(project):
    folder = project("asr", "utterances")
    evalkit("run", "suites/asr.yaml", "-q")
    whole, sliced = numbers(folder)
    assert 0.2 <= whole["pocketsphinx", "wer"] <= 0.95
    assert 0.2 <= whole[DIGITS, "wer"] <= 0.95
    assert sliced[DIGITS, "kind:digits"] < sliced["pocketsphinx", "kind:digits"] - 0.2
    assert sliced[DIGITS, "kind:sentence"] > sliced["pocketsphinx", "kind:sentence"] + 0.2
    assert 0 <= whole["pocketsphinx", "silence_hallucination"] < 1


def test_broken_recordings_are_explained_and_the_run_goes_on(project, capsys):
    folder = project("asr", "utterances")
    rows = [json.loads(line) for line in (folder / "datasets/utterances/samples.jsonl").read_text("utf-8").splitlines()]
    rows = [row for row in rows if "kind:digits" in row["tags"]][:4]
    audio = folder / "datasets/utterances/audio"
    (audio / "empty.flac").write_bytes(b"")
    (audio / "text.flac").write_text("no sound here", "utf-8")
    (audio / "cut.flac").write_bytes((audio / "u-025.flac").read_bytes()[:5000])
    for row, name in zip(rows, ("empty", "text", "cut"), strict=False):
        row["input"]["audio"] = f"audio/{name}.flac"
    (folder / "datasets/utterances/samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    card = folder / "datasets/utterances/card.yaml"
    card.write_text(card.read_text("utf-8").replace("items: 128", "items: 4"), "utf-8")
    evalkit("run", "suites/asr.yaml", "-q", "-c", DIGITS, code=5)
    told = dict(query(folder, "select sample_id, error_message from call join cell using (entry_id, position)"))
    words = ["file is empty", "cannot be read as a recording", "", None]
    for row, word in zip(rows, words, strict=True):
        assert told[row["id"]] is None if word is None else word in told[row["id"]]
    [(planned, errored, scored)] = query(
        folder, "select planned, errored, scored from result where metric = 'wer' and (slice is null or slice = '')"
    )
    assert (planned, errored, scored) == (4, 3, 1)


@contextmanager
def recogniser(answer):
    """A server that speaks `/v1/audio/transcriptions`; `answer(number)` = (status, JSON)."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/audio/transcriptions"
            assert self.headers["Content-Type"].startswith("multipart/form-data")
            seen.append(body)
            status, reply = answer(len(seen))
            data = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ears(folder, url):
    suite = folder / "suites/tts.yaml"
    text = suite.read_text("utf-8").replace(
        "  - loudness\n", "  - loudness\n  - round_trip: {asr: ear, normaliser: basic}\n"
    )
    suite.write_text(text, "utf-8")
    ear = f"ear: {{provider: transcriptions, model: ear-1, base_url: {url!r}}}"
    (folder / "evalkit.yaml").write_text(f"candidates:\n  {ear}\n", "utf-8")


def test_texts_are_said_and_a_recogniser_over_a_socket_listens(project, capsys):
    folder = project("tts", "tts_texts")
    with recogniser(lambda _: (200, {"text": "The note is by Sean."})) as (url, seen):
        ears(folder, url)
        evalkit("run", "suites/tts.yaml", "--limit", "10", "-q", "--yes")
        asked = len(seen)
        assert asked == 20
        assert all(b"audio.flac" in body and b"fLaC" in body for body in seen)
        evalkit("run", "suites/tts.yaml", "--limit", "10", "-q", "--yes")
        assert len(seen) == asked, "transcripts of known recordings are known"
    targets = {
        row["id"]: row["target"]
        for row in map(json.loads, (folder / "datasets/tts_texts/samples.jsonl").read_text("utf-8").splitlines())
    }
    ids = {ident for (ident,) in query(folder, "select distinct sample_id from cell")}
    wanted = jiwer.wer([targets[ident] for ident in ids], ["the note is by sean"] * len(ids))
    whole, _ = numbers(folder)
    assert whole["espeak", "round_trip_wer"] == pytest.approx(wanted)
    assert -40 < whole["espeak", "loudness_lufs"] < -10
    assert whole["espeak", "clipped_share"] < 0.01
    assert 0 < whole["espeak", "leading_silence_s"] < 0.2


def test_a_recogniser_that_fails_is_an_error_and_not_the_voices(project, capsys):
    folder = project("tts", "tts_texts")
    with recogniser(
        lambda number: (400, {"error": {"message": "too loud"}}) if number % 2 else (200, {"text": "hm"})
    ) as (url, _):
        ears(folder, url)
        evalkit("run", "suites/tts.yaml", "--limit", "4", "-q", "--yes", "-c", "espeak", code=5)
    [(planned, errored)] = query(
        folder, "select planned, errored from result where metric = 'round_trip_wer' and (slice is null or slice = '')"
    )
    assert (planned, errored) == (4, 2)


def test_without_espeak_the_candidate_is_skipped_with_the_reason(project, capsys, monkeypatch):
    project("tts", "tts_texts")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SystemExit):
        main(["run", "suites/tts.yaml", "--limit", "2", "-c", "espeak"])
    told = capsys.readouterr()
    assert "install it (Debian: espeak-ng)" in told.out + told.err
