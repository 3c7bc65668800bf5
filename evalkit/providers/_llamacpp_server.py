"""The child process of the `llamacpp` provider: serves one GGUF file on loopback until its parent is gone.

Its first argument is JSON {model, alias, n_parallel, n_ctx, threads, keep_prefix}. It writes one line {"address": URL}
to standard output when it listens, and ends when its standard input ends or its parent changes: a parent that is killed
cannot say goodbye, and no server may outlive it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from typing import Any

_PR_SET_PDEATHSIG = 1
_WATCH_S = 1.0


def main(arguments: list[str]) -> None:
    """Load the model, listen, and wait for the parent to let go."""
    options = json.loads(arguments[0])
    _die_with_parent()
    server = serve(options)
    sys.stdout.write(json.dumps({"address": server.listening_address}) + "\n")
    sys.stdout.flush()
    while True:
        time.sleep(3600)


def serve(options: dict[str, Any]) -> Any:
    """Start llama.cpp's server in this process; returns when the model is loaded."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options["model"]
    params.model_alias = {options["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = options["n_parallel"]
    # llama.cpp divides its context among the slots.
    params.n_ctx = options["n_ctx"] * options["n_parallel"]
    # What an earlier prompt left behind changes the arithmetic of the next, so it is only kept when asked for.
    params.cache_prompt = options["keep_prefix"]
    params.ui = False
    params.verbosity = 1
    if options["threads"]:
        params.cpuparams.n_threads = options["threads"]
        params.cpuparams_batch.n_threads = options["threads"]
    return xllamacpp.Server(params)


def _die_with_parent() -> None:
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch_input, daemon=True).start()
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()


def _watch_input() -> None:
    while os.read(0, 4096):
        continue
    os._exit(0)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
