#!/usr/bin/env bash
# Build the wheel and use it with the source gone: a clean environment, a temporary folder, a suite from start to report,
# then the rooms that read package data run their tests against the installed package.
# Usage: scripts/wheel.sh BIN, the folder of the development tools.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD" bin="$(cd "$1" && pwd)"
work="$(mktemp -d)"
chmod 755 "$work" # a test becomes another user, who must reach the interpreter
trap 'rm -rf "$work"' EXIT

rm -rf dist
"$bin/python" -m build --wheel --no-isolation --outdir dist . >"$work/build.log" || { cat "$work/build.log"; exit 1; }
wheel="$(ls "$root"/dist/evalkit-*.whl)"
"$bin/python" -m venv --without-pip "$work/venv"
"$bin/uv" pip install --quiet --python "$work/venv/bin/python" --constraint requirements.lock "evalkit[tabular,image] @ file://$wheel"
PATH="$work/venv/bin:/usr/bin:/bin"
unset PYTHONPATH

mkdir "$work/project" && cd "$work/project"
python - "$work/venv" <<'PY'
import sys

import evalkit

assert evalkit.__file__.startswith(sys.argv[1]), f"not the wheel: {evalkit.__file__}"
PY
evalkit --version
for family in generalist tabular segmentation systems; do
  evalkit new suite "first-$family" --family "$family"
done
evalkit validate suites/
evalkit run suites/ --yes --quiet
evalkit report
test -s reports/index.html
evalkit list runs --json | grep -q '"status": "complete"'
evalkit sql --csv "select suite, candidate, metric, value from leaderboard where slice = '' and is_primary"
missing="$(evalkit sql --csv "select count(*) from cells where status <> 'answered'" | tail -n 1)"
[ "$missing" = 0 ] || { echo "wheel: $missing cells have no answer" >&2; exit 1; }

"$bin/uv" pip install --quiet --python "$work/venv/bin/python" --constraint "$root/requirements.lock" pytest hypothesis
mkdir "$work/checkout" && cd "$work/checkout"
(cd "$root" && cp -r tests docs suites datasets evalkit.yaml pyproject.toml "$work/checkout")
python -m pytest -q -p no:cacheprovider tests/core tests/config tests/prompts tests/store
echo "wheel: $(basename "$wheel") works from a clean environment"
