PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DEMO   := $(VENV)/.demo
DEV    := $(VENV)/.dev
DOCS   := $(VENV)/.docs
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test check docs bench fit proto clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | expand -t 10

demo: $(DEMO)  ## watch this machine decide, per query, where real networks run (2 minutes)
	$(BIN)/autoscale demo

test: $(DEV)  ## the whole test suite
	$(BIN)/pytest

check: $(DEV)  ## lint, format, types, import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(DOCS)  ## the pages of docs/, into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean

bench: $(DEV)  ## speed and size, each beside its peer and its target
	$(BIN)/python -m benchmarks

fit: $(DEV)  ## the latency model against published measurements, one network left out at a time
	$(BIN)/python -m benchmarks.fit

proto: $(DEV)  ## regenerate the wire code from proto/
	$(BIN)/python -m benchmarks.proto

clean:  ## remove the virtual environment, the built pages and caches
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "AutoScale needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)

$(DEMO): pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e '.[demo]'
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e '.[dev]'
	@touch $@ $(DEMO)

$(DOCS): pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e '.[docs]'
	@touch $@
