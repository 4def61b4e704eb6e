.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
WHOLE := 2.9 GB, some minutes
SLIM := 730 MB, a minute or two
DEMO_READY := .venv/.demo-ready
# For `make test-lowest` and `test-newest`, see docs/versions.md. PyTorch is the same in both: each
# other version is a download of up to some gigabytes.
TORCH ?= torch==2.13.0
TESTS ?= tests/unit
IN_PROCESSES := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

help:  ## List the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv .venv

# These run again only when what is to be installed has changed. Of some 27,000 files the tests load
# a part, and each is compiled when it is first loaded; Ray's at once: its daemons are waited for.
$(READY): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing everything into .venv: $(WHOLE)"
	@$(BIN)/python tools/slim.py --undo
	@$(PIP) --no-compile -e '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 $(BIN)/../lib/python*/site-packages/ray
	@touch $@

$(DEMO_READY): pyproject.toml constraints.txt tools/slim.py | $(BIN)/python
	@echo "Installing what the demo needs into .venv: $(SLIM)"
	@$(PIP) --no-compile -e .
	@$(BIN)/python tools/slim.py
	@touch $@

setup: $(READY)  ## Create .venv with everything, at the versions of constraints.txt

# Where everything is installed, what the demo needs is, too.
demo: $(if $(wildcard $(READY)),$(READY),$(DEMO_READY))  ## Replace backgrounds in a small catalogue
	$(BIN)/backlot demo

bench: $(READY)  ## Measure what the machinery costs by itself
	$(BIN)/python -m benchmarks

fmt: $(READY)  ## Format the code, and list the packages in ARCHITECTURE.md
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python tools/architecture.py

lint: $(READY)  ## Check format, style, types, imports and what is declared
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry .
	$(BIN)/deptry pipeline jobs --optional-dependencies-dev-groups dev,notebooks --ignore DEP002

# Processes share the cores: libraries that start threads of their own would only get in the way.
# Two of them have the tests with Ray; see tests/conftest.py.
test: lint  ## Check everything, as CI does
	OMP_NUM_THREADS=1 $(BIN)/pytest tests $(IN_PROCESSES)

test-slow: $(READY)  ## Check what takes many minutes: a cluster of several nodes, notebooks, measurements
	$(BIN)/pytest tests -m slow

secure: $(READY)  ## Try what strangers may do: manifests, recipes, answers, weights, datasets, ports
	@echo "Installing what checks Kubernetes manifests into .venv-kubernetes: 400 MB"
	@test -x .venv-kubernetes/bin/python || $(PYTHON) -m venv .venv-kubernetes
	@.venv-kubernetes/bin/python -m pip install --quiet --disable-pip-version-check \
		checkov==3.3.30 kubernetes-validate==1.37.0
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/secure -m '' $(IN_PROCESSES)

# Apart from .venv, and without constraints.txt: uv chooses anew what pyproject.toml allows. pip knows
# no lowest versions.
define tested_at
@echo "Installing the $(2) versions that pyproject.toml allows into $(1): $(WHOLE)"
@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
@$(1)/bin/python -m pip install --quiet --disable-pip-version-check uv
@echo '$(TORCH)' > $(1)/torch.txt
@$(1)/bin/uv pip install --quiet --python $(1)/bin/python --upgrade --resolution $(2) \
	--override $(1)/torch.txt --editable '.[dev]'
OMP_NUM_THREADS=1 $(1)/bin/python -m pytest $(TESTS) $(IN_PROCESSES)
endef

test-lowest:  ## Unit tests with the lowest versions that pyproject.toml allows
	$(call tested_at,.venv-lowest,lowest-direct)

test-newest:  ## Unit tests with the newest versions that pyproject.toml allows
	$(call tested_at,.venv-newest,highest)

chaos: $(READY)  ## Kill drivers, actors and nodes at random and count the rows: takes a while
	BACKLOT_CHAOS_KILLS=$${KILLS:-24} $(BIN)/pytest tests/chaos --log-cli-level=INFO

hostile: $(READY)  ## Try hundreds of hostile inputs: each must cost its row, or be refused in a line
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/hostile -m '' -n 2

# STORES="ceph swift" tries only these; DOCS=1 writes what was measured into docs/stores.md.
stores: $(READY)  ## Start real object stores and try the same things on each: takes a while
	BACKLOT_STORES="$(STORES)" BACKLOT_STORES_DOCS=$(DOCS) BACKLOT_STORES_KILLS=$${KILLS:-1} \
		$(BIN)/pytest tests/stores -m stores --log-cli-level=INFO

# Apart from .venv: together they are as large as everything else. Spark wants a Java.
readers:  ## Read a dataset with pandas, Polars, DuckDB, Spark and others, as docs/readers.md says
	@echo "Installing the readers of tests/readers/requirements.txt into .venv-readers: 2.8 GB"
	@test -x .venv-readers/bin/python || $(PYTHON) -m venv .venv-readers
	@.venv-readers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-r tests/readers/requirements.txt -e .
	OMP_NUM_THREADS=1 .venv-readers/bin/python -m pytest tests/readers -m readers

clean:  ## Remove what the other verbs made
	rm -rf .venv .venv-lowest .venv-newest .venv-stores .venv-readers .venv-kubernetes build/manifests demo-output .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

manifests: $(READY)  ## Print what becomes of manifests as other tools make them: docs/manifests.md
	$(BIN)/python -m pip install --quiet --no-deps --target build/manifests -c constraints.txt \
	  polars==2.1.0 polars-runtime-32==2.1.0 pylance lance-namespace lance-namespace-urllib3-client
	PYTHONPATH=build/manifests $(BIN)/python -m tests.manifests

.PHONY: help setup demo bench fmt lint test test-slow test-lowest test-newest chaos hostile secure stores readers manifests clean
