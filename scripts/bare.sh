#!/usr/bin/env bash
# Install evalkit without extras: small enough, useful, and every part that wants an extra says which.
# Usage: scripts/bare.sh BIN, the folder of the development tools. Limits: 100 MB to download, 300 MB installed.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD" bin="$(cd "$1" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"$bin/python" -m build --wheel --no-isolation --outdir "$work/dist" . >"$work/build.log" || { cat "$work/build.log"; exit 1; }
"$bin/python" -m pip download -qq --disable-pip-version-check --only-binary=:all: --constraint requirements.lock \
  --dest "$work/wheels" "$work"/dist/*.whl
"$bin/python" -m venv --without-pip "$work/venv"
"$bin/uv" pip install --quiet --python "$work/venv/bin/python" --no-deps "$work"/wheels/*.whl
# The sum of the files' sizes in MB, rounded up; no byte-code, as a package manager counts.
megabytes() { find "$1" -type f ! -name '*.pyc' -exec wc -c {} + | awk '$2 != "total" {s += $1} END {printf "%d", s / 1e6 + 0.999999}'; }
download="$(megabytes "$work/wheels")"
installed="$(megabytes "$work/venv/lib")"
echo "bare: $(ls "$work/wheels" | wc -l | tr -d ' ') packages, $download MB to download (limit 100), $installed MB installed (limit 300)"
[ "$download" -le 100 ] && [ "$installed" -le 300 ] || { echo "bare: the core install is too big" >&2; exit 1; }

PATH="$work/venv/bin:/usr/bin:/bin"
unset PYTHONPATH
mkdir "$work/project" && cd "$work/project"
for what in scorers candidates parts; do
  evalkit list "$what" --json >"$what.json"
done
evalkit doctor || [ $? = 2 ]
python - <<'PY'
import json
import re
import sys
from importlib.util import find_spec

from evalkit import registry
from evalkit.core.errors import MissingComponent

absent = ["pandas", "pyarrow", "sklearn", "openai", "anthropic", "datasets", "xllamacpp"]
assert not [name for name in absent if find_spec(name)], "an extra is here: this is no bare install"
rows = {(row["kind"], row["name"]): row["available"] for row in json.load(open("parts.json"))}
wrong = []
for kind in registry.KINDS:
    for name in registry.names(kind):
        try:
            part = registry.module(kind, name)  # must import without any extra
            if kind not in ("providers", "systems"):  # those need what a project lends them
                registry.make(kind, name)
        except MissingComponent as error:
            if "pip install 'evalkit[" not in str(error):
                wrong.append(f"{kind} {name} does not name its extra: {error}")
        except (TypeError, ValueError) as error:
            if "option" not in str(error) and "as in" not in str(error):
                wrong.append(f"{kind} {name}: {error}")
        except ImportError as error:
            wrong.append(f"{kind} {name} needs an extra to be listed: {error}")
        if (kind, name) not in rows:
            wrong.append(f"{kind} {name} is not listed")
said = {extra for text in rows.values() for extra in re.findall(r"evalkit\[(\w+)\]", text)}
if not {"tabular", "hf", "local"} <= said:
    wrong.append(f"`evalkit list parts` names only the extras {sorted(said)}")
print("\n".join(wrong) or f"bare: {len(rows)} parts are listed; {sum(t != 'yes' for t in rows.values())} say which extra they want")
sys.exit(bool(wrong))
PY
evalkit new suite first --family generalist
evalkit run suites/ --yes --quiet -c keyword -c majority -c tfidf_linear 2>skipped.txt || [ $? = 5 ]
grep -q "evalkit\[tabular\]" skipped.txt || { echo "bare: a candidate that wants an extra was not skipped with the reason" >&2; cat skipped.txt >&2; exit 1; }
evalkit report
