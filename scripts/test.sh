#!/usr/bin/env bash
# The whole test suite with branch coverage: 95 % over all, 100 % for the floors that everything stands on.
set -euo pipefail
bin="$1"
rm -f .coverage .coverage.*
"$bin/python" -m coverage run -m pytest -q -m "not nightly" -n 2 --dist loadfile
"$bin/python" -m coverage combine -q
"$bin/python" -m coverage report --skip-covered --fail-under=95
"$bin/python" -m coverage report --skip-covered --fail-under=100 --include="evalkit/core/*,evalkit/stats/*,evalkit/gate/*"
