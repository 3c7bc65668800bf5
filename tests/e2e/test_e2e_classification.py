"""Classifiers of texts: the baselines, a service in the shapes of common inference servers, and zero-shot chat."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_talking import Copied, chat_reply, talking

ROOT = Path(__file__).parents[2]
INTENTS = ["book", "change", "cancel", "status", "refund", "luggage", "lost_property", "fare"]
TRUTH = {
    row["input"]["text"]: row
    for row in map(json.loads, (ROOT / "datasets/intents/samples.jsonl").read_text("utf-8").splitlines())
}
KEY = "hf_kept_secret_1234567890"


def service(url, path, **more):
    """An inference server as a candidate."""
    headers = {"Authorization": "Bearer ${CLASSIFIER_TOKEN}"}
    return {"provider": "http", "url": f"{url}{path}", "headers": headers, "body": {"inputs": "{{ text }}", **more}}


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("CLASSIFIER_TOKEN", KEY)


def probabilities(text):
    """Right, and surer of English: what a fine-tuned model might say."""
    row = TRUTH[text]
    sure = 0.86 if "lang:en" in row["tags"] else 0.3
    scores = dict.fromkeys(INTENTS, (1 - sure) / 7) | {row["intent"]: sure}
    return [{"label": name, "score": score} for name, score in sorted(scores.items(), key=lambda item: -item[1])]


def entities(text):
    """Aggregated token classification; finds everything but dates."""
    found = [e for e in TRUTH[text]["entities"] if e["type"] != "date"]
    return [
        {"entity_group": e["type"], "score": 0.98, "word": e["text"], "start": e["start"], "end": e["end"]}
        for e in found
    ]


def reply(path, body):
    if path == "/classify":
        assert body == {"inputs": body["inputs"], "parameters": {"top_k": None}}
        return [probabilities(body["inputs"])]
    if path == "/tokens":
        assert set(body) == {"inputs"}
        return entities(body["inputs"])
    assert path == "/v1/chat/completions"
    system, user = body["messages"]
    assert "lost_property: a thing left behind" in system["content"]
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["label"]["enum"] == INTENTS
    text = user["content"].removeprefix("Message: ").rsplit("\nWhat the writer", 1)[0]
    label = "refund" if "money" in text.lower() else TRUTH[text]["intent"]
    return chat_reply(body["model"], json.dumps({"label": label, "confidence": 0.55 if label == "refund" else 0.9}))


def test_a_service_and_a_zero_shot_model_are_candidates_beside_the_baselines(tmp_path):
    with talking(reply) as server:
        remote = {
            "service": service(server.url, "/classify", parameters={"top_k": None}),
            "zero": {"provider": "openai", "model": "zero-shot", "base_url": f"{server.url}/v1"},
        }
        copied = Copied.of(tmp_path, "intents", {"intents": {}}, remote)
        names = ["service", "zero", "nearest_centroid(probabilities=True)", "majority"]
        arguments = [word for name in names for word in ("-c", name)]
        assert copied.run("intents", *arguments, "--limit", "60") == 0
        assert {headers["Authorization"] for path, headers, _ in server.asked if path == "/classify"} == {
            f"Bearer {KEY}"
        }
    values = {name: copied.values("intents", name) for name in (*names, "zero:plain")}
    assert values["service"]["macro_f1"] == 1
    assert values["service"]["aurc"] == 0
    assert values["service"]["accuracy_at_floor"] == 1
    english = sum("lang:en" in row["tags"] for row in TRUTH.values()) / len(TRUTH)
    assert values["service"]["coverage_at_floor"] == pytest.approx(english, abs=0.15)
    assert 0 < values["service"]["log_loss"] < 0.6
    assert values["majority"]["macro_f1"] < values["nearest_centroid(probabilities=True)"]["macro_f1"] < 0.9
    assert 0.5 < values["zero:plain"]["accuracy"] <= 1
    assert values["zero:plain"]["log_loss"] is None
    assert values["zero:plain"]["accuracy_at_floor"] >= values["zero:plain"]["accuracy"]
    store = b"".join(path.read_bytes() for path in (tmp_path / ".evalkit").rglob("*") if path.is_file())
    assert KEY.encode() not in store


def test_token_classification_is_scored_by_offsets(tmp_path):
    with talking(reply) as server:
        copied = Copied.of(tmp_path, "intents", {"entities": {}}, {"tokens": service(server.url, "/tokens")})
        names = ["tokens", "gazetteer", "gazetteer(patterns=False)"]
        assert copied.run("entities", *[word for name in names for word in ("-c", name)], "--limit", "80") == 0
    values = {name: copied.values("entities", name) for name in names}
    assert values["tokens"]["entity_precision"] == 1
    assert 0.5 < values["tokens"]["entity_recall"] < 0.9
    assert 0.5 < values["gazetteer"]["entity_f1"] < 0.9
    assert 0.2 < values["gazetteer(patterns=False)"]["entity_f1"] < values["gazetteer"]["entity_f1"]
    (row,) = copied.sql(
        "select count(*) filter (where detail is not null) as evidence from score where metric = 'entity_f1'"
    )
    assert row["evidence"] > 100


@pytest.mark.parametrize(
    ("status", "said", "headers", "kind"),
    [
        (401, {"error": "Invalid credentials in Authorization header"}, {}, "auth"),
        (429, {"error": "Rate limit reached"}, {"Retry-After": "0"}, "rate_limited"),
        (503, {"error": "Model distil is currently loading", "estimated_time": 20.0}, {}, "provider_error"),
        (500, {"error": "CUDA out of memory"}, {}, "provider_error"),
    ],
)
def test_a_service_that_fails_is_a_typed_error(tmp_path, status, said, headers, kind):
    with talking(lambda *_: web.json_response(said, status=status, headers=headers)) as server:
        copied = Copied.of(tmp_path, "intents", {"intents": {}}, {"service": service(server.url, "/classify")})
        assert copied.run("intents", "-c", "service", "--limit", "2", "--retries", "1") == 5
    found = {row["error_kind"] for row in copied.sql("select error_kind from call where error_kind is not null")}
    assert found == {kind}
    assert KEY not in json.dumps(copied.sql("select error_message from call"))


@pytest.mark.parametrize(
    "said", [{"generated_text": "book"}, [[{"label": "book"}]], [], "book, I think", [["book", 0.9]]]
)
def test_an_answer_in_no_known_shape_is_unscorable(tmp_path, said):
    with talking(lambda *_: web.json_response(said)) as server:
        copied = Copied.of(tmp_path, "intents", {"intents": {}}, {"service": service(server.url, "/classify")})
        copied.run("intents", "-c", "service", "--limit", "2")
    rows = copied.sql("select metric, status, reason from score where metric in ('accuracy', 'aurc', 'log_loss')")
    assert len(rows) == 6
    assert {row["status"] for row in rows} == {"unscorable"}
    assert all(row["reason"] for row in rows)


@pytest.mark.nightly
def test_the_local_model_is_asked_zero_shot(tmp_path):
    copied = Copied.of(tmp_path, "intents", {"intents": {}, "entities": {}}, {})
    assert copied.run("intents", "-c", "smollm2", "--limit", "20") == 0
    assert copied.run("entities", "-c", "smollm2", "--limit", "20") == 0
    assert copied.values("intents", "smollm2:plain")["accuracy"] < 0.5
    assert copied.values("entities", "smollm2:plain")["entity_f1"] < 0.5
