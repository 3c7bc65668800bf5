"""A scoring service over HTTP (JSON rows in, probabilities out) beside the tabular baselines."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parent / "helpers"))
from e2e_talking import Copied, talking

from evalkit.cli.main import main
from evalkit.store.database import Store

KEY = "score_kept_secret_987654321"
COLUMNS = {"mean radius", "worst concave points"}


def service(url, **more):
    """A scoring service as a candidate: it takes a list of rows and gives a list of predictions."""
    return {
        "provider": "http",
        "url": f"{url}/v2/models/tumours/infer",
        "headers": {"X-Api-Key": "${SCORING_KEY}"},
        "body": {"rows": [{"$json": "{{ row | tojson }}"}], "proba": True},
        "output": "predictions[0]",
        **more,
    }


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SCORING_KEY", KEY)


def predictions(path, body):
    """What a model with one good column says; checks the request as a strict service does."""
    if path != "/v2/models/tumours/infer" or set(body) != {"rows", "proba"}:
        return web.json_response({"error": "no such model"}, status=404)
    (row,) = body["rows"]
    if len(row) != 30 or not set(row) >= COLUMNS or not all(isinstance(v, float) for v in row.values()):
        return web.json_response({"error": "the row has not the columns of the model"}, status=422)
    chance = min(0.999, max(0.001, (row["worst concave points"] - 0.05) / 0.2))
    label = "malignant" if chance > 0.5 else "benign"
    return {"predictions": [{"label": label, "probabilities": {"malignant": chance, "benign": 1 - chance}}]}


def test_a_scoring_service_is_a_candidate_beside_the_baselines(tmp_path):
    with talking(predictions) as server:
        copied = Copied.of(tmp_path, "breast_cancer", {"breast_cancer": {}}, {"service": service(server.url)})
        names = ["service", "linear", "majority"]
        assert copied.run("breast_cancer", *[word for name in names for word in ("-c", name)], "--limit", "150") == 0
        assert len(server.asked) == 150
        assert {headers["X-Api-Key"] for _, headers, _ in server.asked} == {KEY}
        assert copied.run("breast_cancer", *[word for name in names for word in ("-c", name)], "--limit", "150") == 0
        assert len(server.asked) == 150, "known answers are not asked again"
    values = {name: copied.values("breast_cancer", name) for name in names}
    assert 0.9 < values["service"]["auc"] < values["linear"]["auc"] <= 1
    base = 212 / 569
    assert base - 0.1 < values["majority"]["average_precision"] < base + 0.1
    assert values["majority"]["average_precision"] < values["service"]["average_precision"] <= 1
    assert 0 < values["linear"]["ece"] <= values["linear"]["mce"] < 0.4
    assert values["linear"]["ece"] < values["service"]["ece"]
    assert values["majority"]["lift@10"] == pytest.approx(1, abs=0.5)
    assert values["linear"]["lift@10"] > 2
    assert values["linear"]["gain@10"] == pytest.approx(values["linear"]["lift@10"] / 10)
    store = b"".join(path.read_bytes() for path in (tmp_path / ".evalkit").rglob("*") if path.is_file())
    assert KEY.encode() not in store


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (web.json_response, "provider_error"),
        ({"predictions": []}, "malformed_response"),
        ({"probability": 0.3}, "malformed_response"),
    ],
)
def test_a_service_that_answers_badly_is_a_typed_error(tmp_path, said, kind):
    def reply(*_):
        return said({"error": "model is loading"}, status=503) if callable(said) else said

    with talking(reply) as server:
        copied = Copied.of(tmp_path, "breast_cancer", {"breast_cancer": {}}, {"service": service(server.url)})
        assert copied.run("breast_cancer", "-c", "service", "--limit", "2", "--retries", "0") == 5
    assert {row["error_kind"] for row in copied.sql("select error_kind from call")} == {kind}
    assert KEY not in json.dumps(copied.sql("select error_message from call"))


def test_probabilities_that_are_none_are_the_services_own_failure(tmp_path):
    said = {"predictions": [{"label": "benign", "probabilities": {"malignant": 1.4, "benign": -0.4}}]}
    with talking(lambda *_: said) as server:
        copied = Copied.of(tmp_path, "breast_cancer", {"breast_cancer": {}}, {"service": service(server.url)})
        assert copied.run("breast_cancer", "-c", "service", "--limit", "3") == 0
    rows = copied.sql("select metric, status, reason from score where metric in ('auc', 'ece', 'lift@10', 'brier')")
    assert {row["status"] for row in rows} == {"unscorable"}
    assert all("is not in 0..1" in row["reason"] for row in rows)
    assert copied.values("breast_cancer", "service")["average_precision"] is None


def test_show_and_report_keep_to_what_a_metric_can_be(tmp_path, capsys):
    with talking(predictions) as server:
        copied = Copied.of(tmp_path, "breast_cancer", {"breast_cancer": {}}, {"service": service(server.url)})
        assert copied.run("breast_cancer", "-c", "service", "-c", "majority", "--limit", "60") == 0
    bounds = {
        row["metric"]: (row["low_bound"], row["high_bound"])
        for row in copied.sql("select distinct metric, low_bound, high_bound from result")
    }
    assert bounds["auc"] == (0, 1)
    assert bounds["lift@10"] == (0, 10)
    assert bounds["log_loss"] == (0, None)
    with pytest.raises(SystemExit) as end:
        main(["report", "-p", str(tmp_path), "--out", str(tmp_path / "out")])
    assert not end.value.code
    page = next((tmp_path / "out").rglob("suites/*.html")).read_text("utf-8")
    marks = re.findall(r'class="tick[^"]*"[^>]*>([\d.]+)<', page)
    assert max(map(float, marks)) == 1
    with Store(tmp_path / ".evalkit").open() as connection:
        connection.execute("update score set value = null, reason = null where metric = 'auc'")
    capsys.readouterr()
    assert [row["value"] for row in shown(tmp_path, capsys, "--json")] == [None] * 4
    assert "no value of its own" in shown(tmp_path, capsys, "--json")[0]["reason"]
    assert shown(tmp_path, capsys).count("–") == 4


def shown(root, capsys, *more):
    """What `evalkit show --failures` says, two samples per candidate."""
    with pytest.raises(SystemExit) as end:
        main(["show", "--failures", "--limit", "2", "-p", str(root), *more])
    assert not end.value.code
    said = capsys.readouterr().out
    return json.loads(said) if more else said
