"""The mock server, in the foreground."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from evalkit.core.errors import UsageError


def serve_mock(port: int, ready: Callable[[str], None], **settings: Any) -> None:
    """Serve until interrupted; `ready` is told the URL. Raises UsageError for a port in use."""
    from evalkit.providers.mock_server import HOST, Settings, serve

    try:
        asyncio.run(serve(Settings().changed(settings), port=port, ready=lambda taken: ready(f"http://{HOST}:{taken}")))
    except OSError as error:
        raise UsageError(f"port {port} cannot be served: {error.strerror or error}") from error
