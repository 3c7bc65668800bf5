#!/usr/bin/env bash
# Test with the lowest versions that pyproject.toml allows.
# Usage: scripts/lowest.sh BIN, the folder of the development tools.
set -euo pipefail
cd "$(dirname "$0")/.."
bin="$(cd "$1" && pwd)"
work="$(mktemp -d)"
chmod 755 "$work" # a test becomes another user, who must reach the interpreter
trap 'rm -rf "$work"' EXIT

"$bin/python" -m venv --without-pip "$work/venv"
"$bin/uv" pip install --quiet --python "$work/venv/bin/python" --resolution lowest-direct '.[tabular,parquet]'
"$bin/uv" pip install --quiet --python "$work/venv/bin/python" pytest hypothesis
mkdir "$work/checkout"
cp -r tests suites datasets docs evalkit.yaml pyproject.toml "$work/checkout"
cd "$work/checkout"
unset PYTHONPATH
# The store goes first: a child's peak memory, which a test reads, begins at that of the pytest process it comes from.
"$work/venv/bin/python" -m pytest -q -p no:cacheprovider -m "not nightly" \
  tests/store tests/core tests/config tests/prompts tests/engine tests/stats \
  tests/providers/test_providers_{transport,http,exec,python,replay}.py
cd "$work" && "$work/venv/bin/evalkit" new suite first --family tabular && "$work/venv/bin/evalkit" run suites/ --yes --quiet
echo "lowest: works with $("$bin/uv" pip list --quiet --python "$work/venv/bin/python" --format freeze | grep -E '^(aiohttp|duckdb|jinja2|msgspec|numpy|pydantic|scipy|typer)==' | tr '\n' ' ')"
