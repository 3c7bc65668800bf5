PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed

.PHONY: help demo demo-full test test-all check format bench mutants wheel bare lowest docs lock clean install

help:
	@echo "make demo      every bundled suite with its key-free candidates on a few samples, then reports/index.html"
	@echo "make demo-full the same on all samples"
	@echo "make test      check, then the whole test suite with coverage; make test-all adds full suites and mutation testing"
	@echo "make check     ruff, mypy, import-linter; make format mends what ruff can mend"
	@echo "make bench     measurements, one JSON object per line"
	@echo "make wheel     build the wheel and use it with the source gone"
	@echo "make bare      install without extras: its size, and what every part asks for"
	@echo "make lowest    the tests with the lowest versions that pyproject.toml allows"
	@echo "make mutants   mutation testing on a seeded sample"
	@echo "make docs      write docs/cli.md from the command line; make lock writes requirements.lock"

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock scripts/install.sh
	bash scripts/install.sh "$(PYTHON)" "$(VENV)"
	touch $(STAMP)

demo: install
	bash scripts/system-deps.sh || echo "demo: what needs a missing program is skipped, with the reason" >&2
	bash scripts/demo.sh "$(BIN)"

demo-full: install
	bash scripts/system-deps.sh || echo "demo: what needs a missing program is skipped, with the reason" >&2
	bash scripts/demo.sh "$(BIN)" full

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: install check
	bash scripts/system-deps.sh
	$(BIN)/evalkit models get smollm2-135m
	bash scripts/test.sh "$(BIN)"

test-all: test
	$(BIN)/python -m pytest -q -m nightly -n 2
	$(MAKE) mutants

bench: install
	$(BIN)/python -m tests.benchmarks

mutants: install
	$(BIN)/python scripts/mutants.py

wheel: install
	bash scripts/wheel.sh "$(BIN)"

bare: install
	bash scripts/bare.sh "$(BIN)"

lowest: install
	bash scripts/lowest.sh "$(BIN)"

docs: install
	$(BIN)/python scripts/make_cli_docs.py

lock: install
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --no-header --no-emit-index-url \
		--no-annotate -q -o requirements.lock

clean:
	rm -rf $(VENV) build dist .evalkit reports/index.html reports/suites reports/runs reports/assets
