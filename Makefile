# The recipes of renkei. `make` alone lists them; `make test` is what CI runs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

# Nobody is told that these ran: Prefect's server, Prefect's client and Great Expectations each have a switch of their own.
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1
export GX_ANALYTICS_ENABLED := false

.PHONY: help install demo up test soak lint bench lock clean

help:  ## list these recipes
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## create .venv from the hashed lock; done again only when a lock or pyproject.toml changes

# The lock is its own constraint: without it pip looks for `sqlalchemy[asyncio]` beyond the version that is pinned.
$(INSTALLED): requirements-dev.lock requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "renkei needs Python 3.11 or newer: make install PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
	  || { rm -rf .venv; echo "Python cannot make virtual environments here: install python3-venv." >&2; exit 1; }
	@echo "Installing what requirements-dev.lock names into .venv; the first time takes a few minutes."
	@{ test -x $(BIN)/uv \
	     && $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock; } \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	       -r requirements-dev.lock -c requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install  ## a whole sync of two imitated systems, in under two minutes
	@$(BIN)/renkei demo

up: install  ## Prefect's server, a worker and the demo's deployments with the sandbox, until Ctrl-C
	@$(BIN)/python -m flows.up

test: install  ## every test, in parallel and offline
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

soak: install  ## simulated nights, the pure core and kills for SOAK_SECONDS (60) from SEED (1)
	@$(BIN)/python -m soak

lint: install  ## ruff, mypy, the import rules of the house, and renkei's own YAML
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/renkei check

bench: install  ## extraction of 100,000 records beside the plain limit and dlt; a few minutes
	@$(BIN)/python benchmarks/extraction.py

lock: install  ## compile both locks anew from pyproject.toml, with hashes and without registry addresses
	@$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --extra dev --constraint requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## remove .venv and what tools leave behind; ledgers in var/ stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build renkei.egg-info
