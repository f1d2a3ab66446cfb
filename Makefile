# The verbs of the house: the same on a desk and in CI. `make help` lists them.
# Another interpreter: make setup PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
RUN_ARGS ?=
LAB_ARGS ?=
TEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test lint bench parity starter starter-eval adapters lab doctor screenshots browser clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# Installed again whenever a requirements file is newer than the last complete installation.
$(STAMP): requirements.txt requirements-dev.txt requirements-oracles.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Atelier needs Python 3.11 or newer; try: make setup PYTHON=python3.12")'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-oracles.txt
	touch $@

setup: $(STAMP) ## make .venv with everything pinned

run: $(STAMP) ## start the studio (RUN_ARGS="--port 8000")
	$(PY) app.py $(RUN_ARGS)

test: $(STAMP) browser ## every test not marked slow or gpu (TEST_ARGS="tests/engine")
	$(PY) -m pytest $(TEST_ARGS)

lint: $(STAMP) ## ruff and pyright
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

bench: $(STAMP) ## throughput against diffusers on the same weights
	$(PY) -m benchmarks.throughput $(BENCH_ARGS)

parity: $(STAMP) ## how far our latents are from diffusers', measured into docs/parity.md
	$(PY) -m benchmarks.parity

# glibc hands memory back at once and takes it again in small pages: without that a training step took 1.5 s, not 2.
KEEP_MEMORY := GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=500000000

starter: $(STAMP) ## retrain the bundled model from nothing
	$(KEEP_MEMORY) $(PY) -m training.starter train

starter-eval: $(STAMP) ## measure the bundled model on held-out prompts
	$(PY) -m training.starter evaluate

adapters: $(STAMP) ## train the bundled model's style LoRAs and ControlNets, and measure them
	$(KEEP_MEMORY) $(PY) -m training.adapters train
	$(PY) -m training.adapters evaluate

lab: $(STAMP) ## train every family of the lab, measure them and write docs/lab.md (LAB_ARGS="--set minutes=0.5,1 --set seeds=1,1")
	$(KEEP_MEMORY) $(PY) -m training.lab $(LAB_ARGS)

doctor: $(STAMP) ## what runs here, and what is missing
	$(PY) app.py doctor

screenshots: $(STAMP) browser ## the pictures of the page in docs/images
	$(PY) -m tests.e2e.screenshots

browser:
	@bash .ci/browser

clean: ## remove the environment and caches, never pictures
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
