"""evalkit mock-server."""

from __future__ import annotations

import typer


def mock_server(
    port: int = typer.Option(0, "--port", help="The port; 0 takes a free one."),
    latency_ms: float = typer.Option(0.0, "--latency-ms", min=0, help="Time before an answer."),
    error_rate: float = typer.Option(0.0, "--error-rate", min=0, max=1, help="Share of attempts that get an error."),
    error_mix: str = typer.Option("429:0.6,500:0.2,503:0.2", "--error-mix", help="Weights of the error statuses."),
    retry_after: str = typer.Option("1", "--retry-after", help="Header of 429 and 503 replies, empty for none."),
    disconnect_rate: float = typer.Option(0.0, "--disconnect-rate", min=0, max=1, help="Share of broken connections."),
    malformed_rate: float = typer.Option(0.0, "--malformed-rate", min=0, max=1, help="Share of malformed bodies."),
    stall_rate: float = typer.Option(0.0, "--stall-rate", min=0, max=1, help="Share of requests never answered."),
    cap: int = typer.Option(0, "--cap", min=0, help="429 above this many in flight; 0: no cap."),
    seed: str = typer.Option("0", "--seed", help="Decides every answer and fault."),
) -> None:
    """Serve a seeded fake of the OpenAI and Anthropic APIs on loopback, with faults; for trying without a key."""
    from evalkit.app.serving import serve_mock

    serve_mock(
        port,
        lambda url: typer.echo(f"{url}  (OpenAI base_url: {url}/v1); ctrl-C stops it"),
        latency_ms=latency_ms,
        error_rate=error_rate,
        error_mix=error_mix,
        retry_after=retry_after,
        disconnect_rate=disconnect_rate,
        malformed_rate=malformed_rate,
        stall_rate=stall_rate,
        cap=cap,
        seed=seed,
    )
