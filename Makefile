# Every target does its own set-up. What that takes of the system is in docker/check_system.sh, which names all that lacks.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# The machine's own certificates: many a factory's network has one of its own.
export UV_SYSTEM_CERTS ?= 1
# Where Python may not write bytecode, each process would compile torch anew: then all of it is compiled at set-up.
export UV_COMPILE_BYTECODE ?= $(if $(PYTHONDONTWRITEBYTECODE),1,0)
# Where uv finds another build of torch than the package index's, which brings 3 GB of CUDA; in words of `uv pip install`:
# make setup TORCH='--torch-backend cpu'. Same version; its hash isn't among the pinned ones.
TORCH  ?=
DEMO   ?= demo

# Images and weights of the measurements; not part of the project.
SHARED ?= ../shared
WEIGHTS ?= $(SHARED)/weights/resnet18-imagenet-to-layer3.pth
PAPER  ?= paper

.PHONY: help setup demo test check docs targets bare format bench line anomalib paper lock clean

help:
	@echo "make setup   a virtual environment in $(VENV) with everything, versions and hashes pinned"
	@echo "make demo    draw images, export a bundle, calibrate it, inspect recorded frames; see $(DEMO)/overlays"
	@echo "make test    all tests"
	@echo "make check   format, lint, types, import contracts, Dockerfiles and scripts"
	@echo "make docs    the documents as a site, in site/; a broken link fails"
	@echo "make bare    the README's way in a bare Debian 12 and 13: its apt line, a clone, make demo, make test (as root)"
	@echo "make targets wheels for a Jetson, the x86 image's steps in a clean Debian root, Python 3.10 and 3.12 (as root)"
	@echo "make bench   the measurements behind the README's numbers"
	@echo "make line    what a line does when everything around it fails, is killed, or goes on for long"
	@echo "make anomalib an environment of its own for anomalib, whose CFLOW and PatchCore are measured"
	@echo "make paper   the paper's tables and figures on the images in $(SHARED), into $(PAPER)"
	@echo "make lock    resolve requirements.lock anew"

setup: $(VENV)/.ready

INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python

$(VENV)/.ready: pyproject.toml requirements.lock
	@docker/check_system.sh "$(PYTHON)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.13,<1"
	@echo "what requirements.lock pins is fetched and installed: 3 GB of it are CUDA's torch, and hnswlib is compiled"
ifeq ($(TORCH),)
	$(INSTALL) --no-deps --require-hashes --requirement requirements.lock
else
	grep --only-matching --extended-regexp '^(cuda|nvidia|torch|triton)[^=]*' requirements.lock >$(VENV)/torch.txt
	$(INSTALL) --no-deps --require-hashes --requirement requirements.lock --excludes $(VENV)/torch.txt
	sed --quiet 's/^\(torch.*\) \\$$/\1/p' requirements.lock >$(VENV)/torch.txt
	$(INSTALL) --requirement $(VENV)/torch.txt $(TORCH)
endif
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(BIN)/softcore-export --demo --data $(DEMO) --resolution 256 --out $(DEMO)/bundles
	$(BIN)/softcore-calibrate $(DEMO)/bundles/pill --data $(DEMO)/pill --max-overkill 0.05 --report $(DEMO)/threshold.html
	$(BIN)/softcore-edge $(DEMO)/bundles/pill --source tests/recordings/pill --save-overlays $(DEMO)/overlays

# A thread a process: two that spin for the same core are many times slower than one after the other. A process more than
# cores, since tests wait for browsers, cameras and processes of their own; and the modules in their order, as those of few
# long tests would come last. A process that dies ends the tests at once; with another in its place they wait for ever.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $$(($$(nproc) + 1)) --dist loadscope --no-loadscope-reorder \
	    --max-worker-restart 0

check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint --config docker/hadolint.yaml docker/Dockerfile docker/Dockerfile.jetson
	$(BIN)/shellcheck .ci/run docker/*.sh

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# What needs package indexes and Debian's mirror, and minutes. TARGETS_PYTHONS: other ones than python3.10 and python3.12.
targets: demo
	UV=$(BIN)/uv docker/check_wheels.sh
	mkdir -p $(DEMO)/try && rm -rf $(DEMO)/try/bundle && cp -r $(DEMO)/bundles/pill $(DEMO)/try/bundle
	cp tests/recordings/pill/01_good.png $(DEMO)/try/frame.png
	rm -rf $(DEMO)/try/images && cp -r $(DEMO)/pill $(DEMO)/try/images
	docker/check_pythons.sh $(DEMO)/try $(TARGETS_PYTHONS)
	docker/check_image.sh $(DEMO)/try

# BARE_TARGETS=demo: without the tests. BARE_SUITES: of Debian. UV_CACHE_DIR: packages that need not be fetched again.
bare:
	docker/check_bare.sh

format: setup
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Twenty minutes on two cores; anomalib's PatchCore is timed only after `make anomalib`, and takes as long again.
bench: setup
	$(BIN)/python -m softcore_benchmarks.real_images --data $(SHARED)/data --weights $(WEIGHTS)
	for measure in latency scaling certificates export_time; do \
	    $(BIN)/python -m softcore_benchmarks.$$measure --data $(SHARED)/data --weights $(WEIGHTS) --out $(PAPER) \
	        || exit; \
	done

# Three quarters of an hour and more; needs Debian's mosquitto and ffmpeg.
line: demo
	for measure in faults kills growth; do \
	    $(BIN)/python -m softcore_benchmarks.line.$$measure --bundle $(DEMO)/bundles/pill \
	        --image tests/recordings/pill/01_good.png --out $(PAPER) || exit; \
	done
	for measure in overhead shadow; do \
	    $(BIN)/python -m softcore_benchmarks.line.$$measure --bundle $(DEMO)/bundles/pill \
	        --images $(DEMO)/pill/train/good --out $(PAPER) || exit; \
	done

anomalib: .venv-anomalib/.ready

.venv-anomalib/.ready: benchmarks/anomalib.lock | setup
	$(PYTHON) -m venv .venv-anomalib
	$(BIN)/uv pip install --quiet --python .venv-anomalib/bin/python --no-deps --require-hashes --requirement $<
	@touch $@

# Interrupted, it goes on where it was. Without `make anomalib` CFLOW's rows are left out.
paper: setup
	$(BIN)/python -m softcore_benchmarks.paper --data $(SHARED)/data --out $(PAPER) \
	    --backbone resnet18 --weights $(WEIGHTS) --categories pill magnetic_tile screw mvtec_pill elpv pillqc \
	    --max-images magnetic_tile=300 --coreset-ratio 0.1 --coreset-ratio magnetic_tile=0.02 $(PAPER_OPTIONS)

lock:
	uv pip compile pyproject.toml --universal --python-version 3.10 \
	    --extra cpu --extra openvino --extra export --extra calibrate --extra edge --extra parquet --extra postgres --extra sign --extra ray --extra benchmark --extra docs --extra dev \
	    --generate-hashes --no-emit-index-url --upgrade --output-file requirements.lock
	uv pip compile pyproject.toml --universal --python-version 3.10 --extra anomalib \
	    --generate-hashes --no-emit-index-url --upgrade --output-file benchmarks/anomalib.lock
	docker/make_locks.sh

clean:
	rm -rf $(VENV) .venv-anomalib $(DEMO) paper benchmarks/work site .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
