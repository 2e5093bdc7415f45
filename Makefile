PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DEMO   := $(VENV)/.demo
DEV    := $(VENV)/.dev
DOCS   := $(VENV)/.docs
UV     := $(VENV)/uv/bin/uv
TORCH  := $(shell grep '^torch==' constraints.txt)
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help apps bench-serve export-check interop demo test test-engines test-gpu test-lowest test-newest check docs bench fit evidence proto clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | expand -t 14

demo: $(DEMO)  ## watch this machine decide, per query, where three real networks run (3 minutes)
	$(BIN)/autoscale demo

test: $(DEV)  ## the whole test suite, a process for each core
	$(BIN)/pytest -n logical --maxprocesses 8 --dist loadfile

test-lowest: RESOLUTION := lowest-direct
test-newest: RESOLUTION := highest
test-lowest:  ## the test suite on the oldest versions that pyproject.toml admits
test-newest:  ## the test suite on the newest versions there are
test-lowest test-newest: $(UV)
	$(PYTHON) -m venv --clear $(VENV)/$@
	$(VENV)/$@/bin/pip install --quiet --disable-pip-version-check $(TORCH)
	$(UV) pip install --quiet --python $(VENV)/$@/bin/python --resolution $(RESOLUTION) -e '.[ort,dev]' $(TORCH)
	$(VENV)/$@/bin/pytest $(TESTS)

check: $(DEV)  ## lint, format, types, import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(DOCS)  ## the pages of docs/, into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean

apps: $(DEV)  ## five applications of others, unchanged, on a session that decides (minutes; PyTorch's gigabytes)
	$(BIN)/python -m benchmarks.apps

bench-serve: $(DEV)  ## our server beside Triton and MLServer: the same models and clients, in one run (minutes; a gigabyte)
	$(BIN)/python -m benchmarks.serve

interop: $(DEV)  ## clients and servers of other makers, unchanged, with ours (minutes; a gigabyte)
	$(BIN)/python -m benchmarks.interop

test-engines: $(DEV)  ## the conformance suite over OpenVINO and Qualcomm's simulator, in an environment of its own
	$(PYTHON) -m venv $(VENV)/$@
	$(VENV)/$@/bin/pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e '.[ort,litert,openvino,prepare,qnn,serve]' hypothesis pytest pytest-randomly
	$(VENV)/$@/bin/pytest tests/runtime/backends

test-gpu: $(DEV)  ## LiteRT's GPU on a Vulkan in software, which Debian's chromium-common brings (nothing is installed)
	mkdir -p $(VENV)/swiftshader
	cd $(VENV)/swiftshader && { ls chromium-common_*.deb >/dev/null 2>&1 || apt-get download chromium-common; } \
		&& dpkg -x chromium-common_*.deb .
	LD_LIBRARY_PATH=$(abspath $(VENV))/swiftshader/usr/lib/chromium \
		VK_ICD_FILENAMES=$(abspath $(VENV))/swiftshader/usr/lib/chromium/vk_swiftshader_icd.json \
		$(BIN)/pytest -rs tests/runtime/backends/test_litert_compiled.py

export-check: $(DEV)  ## an exported policy in Node: 10 000 choices as the Python agent's (skipped where no Node is)
	$(BIN)/python -m benchmarks.export_check $(VENV)/export-check

bench: $(DEV)  ## speed and size, each beside its peer and its target
	$(BIN)/python -m benchmarks

fit: $(DEV)  ## the latency model against published measurements, one network left out at a time
	$(BIN)/python -m benchmarks.fit

evidence: $(DEV)  ## docs/evidence.md: predicted beside measured, for every source of the device files
	$(BIN)/python -m benchmarks.evidence

proto: $(DEV)  ## regenerate the wire code from proto/
	$(BIN)/python -m benchmarks.proto

clean:  ## remove the virtual environment, the built pages and caches
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "AutoScale needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)

$(UV): | $(BIN)/pip
	$(PYTHON) -m venv $(VENV)/uv
	$(VENV)/uv/bin/pip install --quiet --disable-pip-version-check uv

$(DEMO): pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e '.[ort,demo,openvino]' || $(PIP) -e '.[ort,demo]'  # OpenVINO has no wheel for some machines
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e '.[ort,dev]'
	@touch $@ $(DEMO)

$(DOCS): pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP) -e '.[docs]'
	@touch $@
