# Each target sets up what it needs in .venv; only Python 3.10 to 3.13 and make have to be there.

FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$python -c '$(FITS)' 2>/dev/null && echo $$python && break; done)
PORT ?= 8080
EXAMPLES ?= 300
RUNS ?= 3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test soak bench lint docs schedulers-test sandbox clean
.DELETE_ON_ERROR:

help: ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: .venv/installed ## Sync the sample market twice: no key, no network
	@$(BIN)/python demo/demo.py

test: lint ## Lint, then run the unit and integration tests
	$(BIN)/python -m pytest

soak: .venv/installed-tests ## The tests that draw their data, EXAMPLES=300 times instead of six
	EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest integration_tests

bench: .venv-bench/installed ## Measure the connector beside other programs (RUNS=3; takes a while)
	@.venv-bench/bin/python -m benchmarks --runs $(RUNS) --write docs/benchmarks.md

lint: .venv/installed-tests ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: .venv/installed ## Write the tables that repeat spec.yaml and the schemas
	$(BIN)/python docs/tables.py

schedulers-test: .venv-schedulers/installed .venv-demo/installed ## Run the examples for Airflow and Dagster
	.venv-schedulers/bin/python -m pytest -c /dev/null -p no:cacheprovider docs/examples

sandbox: .venv/installed-tests ## Serve the vendors' APIs on a local port (PORT=8080)
	$(BIN)/python -m integration_tests.sandbox --port $(PORT)

clean: ## Remove what the other targets made
	rm -rf .venv .venv-bench .venv-schedulers build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: setup.py pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11, 3.12 or 3.13 is needed (make PYTHON=/path/to/python)" >&2; exit 1; }
	@$(PYTHON) -c '$(FITS)' || { echo "$(PYTHON) is not Python 3.10 to 3.13" >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv
	@$(PIP) install --editable .
	@touch $@

.venv/installed-tests: .venv/installed
	@echo "Adding the test tools ..."
	@$(PIP) install --editable '.[tests]'
	@touch $@

.venv-bench/installed: setup.py pyproject.toml benchmarks/requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11, 3.12 or 3.13 is needed (make PYTHON=/path/to/python)" >&2; exit 1; }
	@echo "Setting up .venv-bench ..."
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --editable . -r benchmarks/requirements.txt
	@touch $@

.venv-schedulers/installed: docs/examples/requirements.txt
	@echo "Setting up .venv-schedulers ..."
	@$(DEMO_PYTHON) -m venv .venv-schedulers
	@.venv-schedulers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
