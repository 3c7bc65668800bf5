"""Forecasts end to end: the suite with its forecasters, and a forecast service over HTTP."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web

from evalkit import registry
from evalkit.cli.main import main
from evalkit.core.types import Sample

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "suites").mkdir()
    shutil.copy(ROOT / "suites" / "forecasts.yaml", tmp_path / "suites")
    shutil.copytree(ROOT / "datasets" / "series", tmp_path / "datasets" / "series")
    (tmp_path / "evalkit.yaml").write_text("candidates: {}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_the_forecasters_are_asked_and_scored(project, capsys):
    table(capsys, "run", "suites", "--limit", "12", "--quiet")
    rows = json.loads(table(capsys, "sql", "--json", "select candidate, metric, value, low, high, n from leaderboard where slice = '' and metric in ('mase', 'wql', 'coverage')"))  # fmt: skip
    assert {row["candidate"] for row in rows} == {
        "seasonal_naive",
        "seasonal_naive(seasonal=False)",
        "theta",
        "ets",
        "arima",
    }
    for row in rows:
        assert row["low"] <= row["value"] <= row["high"], row
        assert row["n"] == 12


def answered(spec: str, series: list[float], horizon: int = 3, season: int = 1):
    candidate = registry.make("baselines", spec)
    sample = Sample("s", {"series": series, "horizon": horizon, "season": season})
    return asyncio.run(candidate.answer(sample, None))


@pytest.mark.parametrize("spec", ["seasonal_naive", "ets", "theta", "arima"])
def test_every_forecaster_answers_short_flat_and_long_seasons(spec):
    wave = [10.0, 20.0, 30.0, 15.0] * 30
    for series, season in (
        ([5.0], 4),
        ([3.0, 3.0, 3.0, 3.0], 1),
        ([1.0, 2.0, 4.0, 3.0, 5.0], 12),
        (wave, 52),
        (wave, 4),
    ):
        output = answered(spec, series, season=season).output
        assert len(output["mean"]) == 3
        levels = [output["quantiles"][f"{tenth / 10:g}"] for tenth in range(1, 10)]
        assert all(low <= high + 1e-6 for lower, upper in pairwise(levels) for low, high in zip(lower, upper, strict=True))  # fmt: skip
    assert answered(spec, wave, season=4).output["mean"] == pytest.approx([10, 20, 30], abs=1.0)


def test_the_naive_forecasts_repeat():
    assert answered("seasonal_naive", [1.0, 2.0, 3.0, 4.0], season=2).output["mean"] == [3.0, 4.0, 3.0]
    assert answered("seasonal_naive(seasonal=False)", [1.0, 2.0, 3.0, 4.0], season=2).output["mean"] == [4.0] * 3
    fan = answered("seasonal_naive", [1.0, 2.0, 1.0, 2.0, 2.0], horizon=2).output["quantiles"]
    assert fan["0.9"][1] - fan["0.5"][1] == pytest.approx(2**0.5 * (fan["0.9"][0] - fan["0.5"][0]))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"horizon": 2}, "no list of numbers in input field 'series'"),
        ({"series": [1.0, None], "horizon": 2}, "no finite number"),
        ({"series": [1.0], "horizon": 0}, "horizon must be a whole number above 0"),
        ({"series": [1.0], "horizon": 1, "season": "m"}, "season must be a whole number above 0"),
    ],
)
def test_a_sample_that_cannot_be_forecast_is_a_failed_answer(given, told):
    candidate = registry.make("baselines", "seasonal_naive")
    response = asyncio.run(candidate.answer(Sample("s7", given), None))
    assert "s7" in response.error.message
    assert told in response.error.message


@pytest.fixture
def service():
    """A forecast service: POST {series, horizon} gives {"forecast": [...], "quantiles": {...}}."""
    seen = []

    async def forecast(request: web.Request) -> web.Response:
        assert request.content_type == "application/json"
        body = await request.json()
        assert set(body) == {"series", "horizon", "frequency"}
        seen.append(body)
        last = body["series"][-1]
        fan = {f"{tenth / 10:g}": [last + tenth - 5] * body["horizon"] for tenth in range(1, 10)}
        return web.json_response({"result": {"forecast": [last] * body["horizon"], "quantiles": fan}})

    loop, started, address = asyncio.new_event_loop(), threading.Event(), []

    async def start() -> None:
        app = web.Application()
        app.router.add_post("/forecast", forecast)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address.append(runner.addresses[0][1])
        started.set()

    runners = []

    def serve() -> None:
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runners[0].cleanup())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    started.wait(10)
    yield address[0], seen
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def test_a_forecast_service_is_asked_over_http(project, capsys, service):
    port, seen = service
    (project / "evalkit.yaml").write_text(
        f"""candidates:
  remote:
    provider: http
    url: http://127.0.0.1:{port}/forecast
    body: {{series: {{$json: "{{{{ series | tojson }}}}"}}, horizon: {{$json: "{{{{ horizon }}}}"}}, frequency: "{{{{ frequency }}}}"}}
    output: result
"""
    )
    table(capsys, "run", "suites", "--limit", "5", "--quiet", "-c", "remote", "-c", "seasonal_naive(seasonal=False)")
    assert len(seen) == 5
    assert all(isinstance(body["series"], list) and isinstance(body["horizon"], int) for body in seen)
    rows = json.loads(table(capsys, "sql", "--json", "select candidate, value from leaderboard where slice = '' and metric = 'mase'"))  # fmt: skip
    assert len({row["value"] for row in rows}) == 1, "the service repeats the last value, as the naive forecast does"
