# Every target does its own set-up, from nothing but Python 3.10+, a C++ compiler (hnswlib) and make.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# The machine's own certificates: many a factory's network has one of its own.
export UV_SYSTEM_CERTS ?= 1
DEMO   ?= demo

.PHONY: help setup demo test check format bench lock clean

help:
	@echo "make setup   a virtual environment in $(VENV) with everything, versions and hashes pinned"
	@echo "make demo    draw pictures, export a bundle, inspect recorded frames; pictures in $(DEMO)/overlays"
	@echo "make test    all tests"
	@echo "make check   format, lint, types, import contracts"
	@echo "make bench   the measurements behind the README's numbers"
	@echo "make lock    resolve requirements.lock anew"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("SoftCore needs Python 3.10 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.13,<1"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(BIN)/softcore-export --demo --data $(DEMO) --out $(DEMO)/bundles
	$(BIN)/softcore-edge $(DEMO)/bundles/pill --source tests/recordings/pill --save-overlays $(DEMO)/overlays

test: setup
	$(BIN)/pytest

check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: setup
	$(BIN)/python benchmarks/real_pictures.py

lock:
	uv pip compile pyproject.toml --universal --python-version 3.10 \
	    --extra cpu --extra export --extra edge --extra dev \
	    --generate-hashes --no-emit-index-url --upgrade --output-file requirements.lock

clean:
	rm -rf $(VENV) $(DEMO) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
