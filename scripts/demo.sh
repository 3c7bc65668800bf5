#!/usr/bin/env bash
# Run every bundled suite with its key-free candidates and the small local model, draw the report, count what happened.
# Usage: scripts/demo.sh BIN [full], BIN = the folder of the evalkit to use. Without `full`, each suite's few samples for
# a demonstration, so that all families are seen in minutes; with it all samples, the local model with other prompts and
# bound answers, and the suites that it judges, RAGAS among them. Exit 0 only when no cell is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
bin="$1"
part="--demo"
[ "${2:-}" != full ] || part=""

"$bin/evalkit" models get smollm2-135m ||
  echo "demo: no weights for the local model; it is skipped, everything else runs" >&2

# 5 means that the run may not be judged (too many errors, cells missing): the counts below say which.
code=0
# shellcheck disable=SC2086 - no word, or one
"$bin/evalkit" run suites/ --yes $part || code=$?
case "$code" in 0 | 5) ;; *) exit "$code" ;; esac
report="$("$bin/evalkit" report | tail -n 1)"

if [ -z "${CI:-}" ]; then
  if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && command -v xdg-open >/dev/null 2>&1; then
    xdg-open "$report" >/dev/null 2>&1 &
  elif [ "$(uname)" = Darwin ] && [ -t 1 ]; then
    open "$report"
  fi
fi

# The denominator is what was planned: a cell that is neither answered nor errored is missing.
counts="$("$bin/evalkit" sql --json "
  with newest as (select run_id from runs order by started desc limit 1),
  entry as (select * from entries join newest using (run_id)),
  asked as (select * from entry where status <> 'skipped'),
  cell as (select c.* from cells c join asked using (entry_id))
  select (select count(distinct suite) from entry) as suites,
         (select count(distinct family) from entry) as families,
         (select count(distinct candidate) from asked) as candidates,
         (select coalesce(sum(planned), 0)::bigint from asked) as cells,
         (select count(*) from cell where status = 'answered') as answered,
         (select count(*) from cell where status = 'errored') as errors,
         (select count(*) from entry where status = 'skipped') as skipped")"

COUNTS="$counts" REPORT="$report" "$bin/python" - <<'PY'
import json
import os
import sys

(row,) = json.loads(os.environ["COUNTS"])
missing = row["cells"] - row["answered"] - row["errors"]
counted = ", ".join(f"{row[name]} {name}" for name in ("suites", "families", "candidates", "cells"))
print(f"demo: {counted}, {missing} missing, {row['errors']} errors, {row['skipped']} skipped, report {os.environ['REPORT']}")
sys.exit(missing != 0 or row["cells"] == 0)
PY
