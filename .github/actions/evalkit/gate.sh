#!/usr/bin/env bash
# Measure base and head, judge the gates, say the verdict. Everything comes in by variables, so that no input of a pull
# request is ever part of a command. Ends with the gate's exit code.
set -uo pipefail

evalkit="${PATH_TO_EVALKIT:-evalkit}"
results="${RESULTS:?where JUnit, comment and report are written}"
mkdir -p "$results"

read -r -a suites <<<"${SUITES:-suites/}"
candidates=()
IFS=',' read -r -a named <<<"${CANDIDATES:-}"
for name in "${named[@]}"; do
  name="${name#"${name%%[![:space:]]*}"}"
  name="${name%"${name##*[![:space:]]}"}"
  [ -z "$name" ] || candidates+=(--candidate "$name")
done

base="${BASE:-}"
if [ -z "$base" ]; then
  if [ -n "${GITHUB_BASE_REF:-}" ]; then base="origin/$GITHUB_BASE_REF"; else base="HEAD^"; fi
fi
if ! from="$(git merge-base "$base" HEAD 2>/dev/null)"; then
  echo "::error title=evalkit::git cannot tell where HEAD left $base: check out with fetch-depth: 0"
  exit 2
fi

# 5 says that a run may not be judged: the gate says so too, with the reasons, where people read it.
"$evalkit" run "${suites[@]}" "${candidates[@]}" --at "$base" --at HEAD \
  --max-age "${MAX_AGE:-24h}" --budget-usd "${BUDGET_USD:-5}" --yes
code=$?
if [ "$code" -ne 0 ] && [ "$code" -ne 5 ]; then exit "$code"; fi

said=(--junit "$results/junit.xml" --markdown "$results/comment.md" --json "$results/verdict.json")
[ "${COMMENT:-true}" != true ] || said+=(--github)
"$evalkit" gate "${suites[@]}" "${candidates[@]}" --baseline "$from" --policy "${POLICY:-pr}" "${said[@]}"
code=$?

"$evalkit" report --out "$results/report" >/dev/null || echo "::warning title=evalkit::the report could not be written"
if [ -n "${GITHUB_OUTPUT:-}" ]; then echo "exit-code=$code" >>"$GITHUB_OUTPUT"; fi
exit "$code"
