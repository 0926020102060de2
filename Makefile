# Each target sets up what it needs in .venv; only Python 3.10 to 3.13 and make have to be there.

FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$python -c '$(FITS)' 2>/dev/null && echo $$python && break; done)
PORT ?= 8080
EXAMPLES ?= 300
RUNS ?= 3
IMAGE = $(shell sed -n 's/^  dockerRepository: //p' metadata.yaml):$(shell sed -n 's/^  dockerImageTag: //p' metadata.yaml)
BUILDER = $(shell docker info >/dev/null 2>&1 && echo docker build || \
	{ command -v buildah >/dev/null && echo buildah build --network host; })
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test soak bench lint sandbox image image-test clean
.DELETE_ON_ERROR:

help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

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

sandbox: .venv/installed-tests ## Serve the vendors' APIs on a local port (PORT=8080)
	$(BIN)/python -m integration_tests.sandbox --port $(PORT)

# What pip is told here, such as an index of your own and its certificate, is a secret of the build. Folders stay out.
PIP_CONF = $(PYTHON) -m pip config list 2>/dev/null | \
	sed -n "s/^[^.]*\.\([a-z-]*\)='\(.*\)'$$/\1 = \2/p" | awk '!seen[$$1]++'
CERT = $(shell $(PIP_CONF) | sed -n 's/^cert = /--secret id=cert,src=/p')

image: ## Build the image for Airbyte, with Docker or buildah
	@test -n "$(BUILDER)" || { echo "Docker, with its engine running, or buildah is needed" >&2; exit 1; }
	@PIP_CONF="$$(echo '[global]'; $(PIP_CONF) | \
		sed -e 's|^cert = .*|cert = /run/secrets/cert|;t' -e '/ = \(file:..\)\?\//d')" \
	DOCKER_BUILDKIT=1 BUILDAH_ISOLATION=chroot $(BUILDER) --secret id=pip,env=PIP_CONF $(CERT) \
		$(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --tag $(IMAGE) .

image-test: .venv/installed-tests ## Build it on a stand-in base and run it as Airbyte does (Debian, root)
	@integration_tests/image/run.sh

clean: ## Remove what the other targets made
	rm -rf .venv .venv-bench .image build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage
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
