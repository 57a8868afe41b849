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

# Prefect's own state, away from the person's other Prefect projects; read by `up` and by the tests marked `prefect`.
UP_PORT ?= 4200
UP_ENVIRONMENT = PREFECT_HOME=$(CURDIR)/var/prefect PREFECT_API_URL=http://127.0.0.1:$(UP_PORT)/api RENKEI_HOME=$(CURDIR)

.PHONY: help install demo test lint bench lock up clean

help:  ## list these recipes
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## create .venv from the hashed lock; done again only when a lock or pyproject.toml changes

$(INSTALLED): requirements-dev.lock requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "renkei needs Python 3.11 or newer: make install PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
	  || { rm -rf .venv; echo "Python cannot make virtual environments here: install python3-venv." >&2; exit 1; }
	@echo "Installing what requirements-dev.lock names into .venv; the first time takes a few minutes."
	@{ test -x $(BIN)/uv \
	     && $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock; } \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install  ## a whole sync of two imitated systems, in under two minutes
	@$(BIN)/renkei demo

test: install  ## every test; those that need a Prefect server run last, one at a time
	@$(BIN)/pytest -n 2 -m "not prefect"
	@$(BIN)/pytest -n 0 -m prefect

lint: install  ## ruff, mypy, the import rules of the house, and renkei's own YAML
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/renkei check

bench: install  ## reading 100,000 records, against the plain limit and against dlt
	@$(BIN)/python -m benchmarks

lock: install  ## compile both locks anew from pyproject.toml, with hashes and without registry addresses
	@$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --extra dev --constraint requirements.lock pyproject.toml -o requirements-dev.lock

up: install  ## Prefect server, deployments and a worker, until Ctrl-C (UP_PORT=4200)
	@mkdir -p var/prefect
	@export $(UP_ENVIRONMENT); \
	$(BIN)/prefect server start --host 127.0.0.1 --port $(UP_PORT) & server=$$!; \
	trap 'kill $$server 2>/dev/null || true; wait $$server 2>/dev/null || true' EXIT; \
	for try in {1..180}; do \
	  $(BIN)/python -c "import urllib.request as web; web.urlopen('$$PREFECT_API_URL/health', timeout=5)" 2>/dev/null && break; \
	  kill -0 $$server || exit 1; \
	  test $$try -lt 180 || { echo "The Prefect server did not answer within three minutes." >&2; exit 1; }; \
	  sleep 1; \
	done; \
	$(BIN)/prefect work-pool create local-process --type process --overwrite; \
	$(BIN)/prefect --no-prompt deploy --all; \
	$(BIN)/prefect worker start --pool local-process --type process

clean:  ## remove .venv and what tools leave behind; ledgers in var/ stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build renkei.egg-info
