# Each target sets up its own environment. All you need is make and Python 3.10 to 3.13 (for the demo: 3.10 to 3.12).

FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
DEMO_FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))
find = $(shell for python in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$python -c '$(1)' 2>/dev/null && echo $$python && break; done)
PYTHON ?= $(call find,$(FITS))
DEMO_PYTHON = $(if $(filter file,$(origin PYTHON)),$(call find,$(DEMO_FITS)),$(PYTHON))
PORT ?= 8080
EXAMPLES ?= 300
MINUTES ?= 60
RUNS ?= 3
IMAGE = $(shell sed -n 's/^  dockerRepository: //p' metadata.yaml):$(shell sed -n 's/^  dockerImageTag: //p' metadata.yaml)
BUILDER = $(shell docker info >/dev/null 2>&1 && echo docker build || \
	{ command -v buildah >/dev/null && echo buildah build --network host; })
RUNNER = $(shell command -v docker || command -v podman)
SBOM ?= sbom.cdx.json
BIN := .venv/bin
# Into the environment of the Python before it: with uv, or with pip where uv cannot be had.
INSTALL := scripts/install.py

.DEFAULT_GOAL := help
.PHONY: help demo demo-test test oldest-test soak bench lint docs schedulers-test sandbox image image-test sbom audit version clean
.DELETE_ON_ERROR:

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 17

demo: .venv-demo/installed ## Sync the made-up sample market into DuckDB and draw a chart; needs no key
	@.venv-demo/bin/python -W ignore demo/demo.py

demo-test: .venv-demo/installed-tests ## Test the demo, with DuckDB and with PostgreSQL
	.venv-demo/bin/python -m pytest -m demo integration_tests/demo

test: lint ## Lint, then run the unit and integration tests
	$(BIN)/python -m pytest -n auto

oldest-test: .venv-oldest/installed ## Run the unit tests with the oldest packages that setup.py allows
	.venv-oldest/bin/python -m pytest -n auto unit_tests

soak: .venv/installed-tests ## Run the tests on random data with EXAMPLES=300 each, then sync for MINUTES=60 under load
	EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -n auto integration_tests
	$(BIN)/python -m integration_tests.soak --minutes $(MINUTES)

bench: .venv-bench/installed ## Compare the connector with other programs (RUNS=3; takes a while)
	@.venv-bench/bin/python -m benchmarks --runs $(RUNS) --write docs/benchmarks.md

lint: .venv/installed-tests ## Check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive source_stock_prices

docs: .venv/installed ## Update the tables that are generated from spec.yaml and the schemas
	$(BIN)/python docs/tables.py

schedulers-test: .venv-schedulers/installed .venv-demo/installed ## Run the Airflow and Dagster examples
	.venv-schedulers/bin/python -m pytest -c /dev/null -p no:cacheprovider docs/examples

sandbox: .venv/installed-sandbox ## Serve imitations of the vendors' APIs on a local port (PORT=8080)
	$(BIN)/python -m integration_tests.sandbox --port $(PORT)

# Your pip settings, such as a private index and its certificate, reach the build as secrets. Local paths are left out.
PIP_CONF = $(PYTHON) -m pip config list 2>/dev/null | \
	sed -n "s/^[^.]*\.\([a-z-]*\)='\(.*\)'$$/\1 = \2/p" | awk '!seen[$$1]++'
CERT = $(shell $(PIP_CONF) | sed -n 's/^cert = /--secret id=cert,src=/p')

image: ## Build the image for Airbyte, with Docker or buildah
	@test -n "$(BUILDER)" || { echo "make image needs Docker with its engine running, or buildah" >&2; exit 1; }
	@PIP_CONF="$$(echo '[global]'; $(PIP_CONF) | \
		sed -e 's|^cert = .*|cert = /run/secrets/cert|;t' -e '/ = \(file:..\)\?\//d')" \
	DOCKER_BUILDKIT=1 BUILDAH_ISOLATION=chroot $(BUILDER) --secret id=pip,env=PIP_CONF $(CERT) \
		$(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --tag $(IMAGE) .

image-test: .venv/installed-tests ## Build the image on a stand-in base and run it as Airbyte does (Debian, root)
	@integration_tests/image/run.sh

sbom: ## Write what the image holds to sbom.cdx.json, as CycloneDX
	@$(RUNNER) run --rm --entrypoint cat $(IMAGE) /opt/connector/sbom.cdx.json >$(SBOM)
	@echo "$(SBOM) lists the packages in $(IMAGE)."

# pip-audit asks PyPI for known vulnerabilities. With --strict it fails where it cannot, as without a network.
audit: .venv-audit/installed ## Look up known vulnerabilities of the packages in SBOM=sbom.cdx.json; needs a network
	@.venv-audit/bin/python scripts/sbom.py $(SBOM) >.venv-audit/packages.txt
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement .venv-audit/packages.txt

version: ## Set the version in every place that has it (VERSION=0.2.0)
	@$(PYTHON) scripts/version.py $(VERSION)

clean: ## Remove everything the other targets created
	rm -rf .venv .venv-audit .venv-bench .venv-demo .venv-oldest .venv-schedulers .image demo/out build dist \
		*.egg-info sbom.cdx.json .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage .tmp acceptance_tests_logs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: setup.py pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11, 3.12 or 3.13 is required; select it with make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c '$(FITS)' || { echo "$(PYTHON) is not Python 3.10 to 3.13" >&2; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python $(INSTALL) --editable .
	@touch $@

.venv/installed-sandbox: .venv/installed
	@echo "Installing Flask, with which the sandbox serves ..."
	@$(BIN)/python $(INSTALL) --editable '.[sandbox]'
	@touch $@

.venv/installed-tests: .venv/installed
	@echo "Installing the test tools ..."
	@$(BIN)/python $(INSTALL) --editable '.[tests]'
	@touch $@

.venv-oldest/installed: setup.py pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11, 3.12 or 3.13 is required; select it with make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Setting up .venv-oldest ..."
	@$(PYTHON) -m venv --clear .venv-oldest
	@.venv-oldest/bin/python $(INSTALL) --resolution lowest-direct --editable '.[tests]'
	@touch $@

.venv-audit/installed:
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11, 3.12 or 3.13 is required; select it with make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python $(INSTALL) pip-audit
	@touch $@

.venv-bench/installed: setup.py pyproject.toml benchmarks/requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11, 3.12 or 3.13 is required; select it with make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Setting up .venv-bench ..."
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python $(INSTALL) --editable . -r benchmarks/requirements.txt
	@touch $@

.venv-demo/installed: setup.py pyproject.toml demo/requirements.txt
	@test -n "$(DEMO_PYTHON)" || { echo "PyAirbyte requires Python 3.10, 3.11 or 3.12; select it with make PYTHON=/path/to/python" >&2; exit 1; }
	@$(DEMO_PYTHON) -c '$(DEMO_FITS)' || { echo "$(DEMO_PYTHON) is not Python 3.10 to 3.12, which PyAirbyte requires" >&2; exit 1; }
	@echo "Setting up .venv-demo with $$($(DEMO_PYTHON) --version), PyAirbyte and the chart libraries."
	@echo "This happens once, downloads 220 MB and takes 750 MB on disk ..."
	@$(DEMO_PYTHON) -m venv .venv-demo
	@.venv-demo/bin/python $(INSTALL) --editable . -r demo/requirements.txt
	@touch $@

.venv-demo/installed-tests: .venv-demo/installed integration_tests/demo/requirements.txt
	@echo "Installing the test tools and a PostgreSQL server ..."
	@.venv-demo/bin/python $(INSTALL) --editable '.[tests]' \
		-r demo/requirements.txt -r integration_tests/demo/requirements.txt
	@touch $@

.venv-schedulers/installed: docs/examples/requirements.txt
	@echo "Setting up .venv-schedulers ..."
	@$(DEMO_PYTHON) -m venv .venv-schedulers
	@.venv-schedulers/bin/python $(INSTALL) -r $<
	@touch $@
