#!/usr/bin/env bash
# Make the virtual environment and install evalkit with everything that its own tests and demo use, at the locked versions.
set -euo pipefail
python="$1" venv="$2"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade uv
"$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --constraint requirements.lock --editable '.[dev]'
