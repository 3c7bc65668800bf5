PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed

.PHONY: demo test test-all check bench mutants wheel clean install

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock scripts/install.sh
	bash scripts/install.sh "$(PYTHON)" "$(VENV)"
	touch $(STAMP)

demo: install
	bash scripts/demo.sh "$(BIN)"

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

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

clean:
	rm -rf $(VENV) build dist .evalkit reports/index.html reports/suites reports/runs reports/assets
