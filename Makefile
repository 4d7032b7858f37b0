PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILED := models/compiled/other.so
C := $(wildcard models/compiled/*.[ch])
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Whatever the shell says: what is started here starts dozens of processes, which would compile the same files again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help

help:  ## Show what there is to make.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/run  ## Train a network on handwritten digits through the real service, and let it read.
	@TENFOLD_DATA="$${TENFOLD_DATA:-$(CURDIR)/.tenfold/data}" $(BIN)/tenfold demo

up: $(VENV)/run  ## Start broker, workers and API, and keep them alive until Ctrl-C.
	@exec $(BIN)/tenfold up

test: $(VENV)/dev $(COMPILED)  ## Run all tests; they start a real broker and real databases themselves.
	$(BIN)/python -m pytest

check: $(VENV)/dev  ## Lint, format, types, dependencies, containers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deptry .
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile

fuzz: $(VENV)/dev  ## Half an hour of requests made up from the served document, each answer compared with it.
	$(BIN)/python -m tests.fuzz

proof: $(VENV)/dev  ## Hours: made-up requests, hostile clients, five million requests, and everything killed at random.
	$(BIN)/python -m tests.fuzz
	$(BIN)/python -m tests.chaos.strangers
	$(BIN)/python -m bench.soak
	$(BIN)/python -m tests.chaos

bench: $(VENV)/bench  ## Run every bench; each prints machine, versions, n, median and spread.
	@for bench in products train sweep floor bfloat16 trials best overhead memory instructions novelty predict promotion intake pictures preview growing tables evaluations lists submitting many_images; do $(BIN)/python -m bench.$$bench || exit 1; done

report: $(VENV)/run  ## Train the study's ten trials through the service, and write docs/report.md.
	$(BIN)/python -m bench.report

clean:  ## Remove what was installed and what the demo left; .tenfold, the state of `make up`, stays.
	rm -rf $(VENV) demo

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Tenfold needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: pyproject.toml constraints.txt $(C) | $(BIN)/python
	@echo "Installing; torch is large, the first time takes some minutes ..."
	$(INSTALL) --editable .
	@touch $@

$(VENV)/dev: pyproject.toml constraints.txt $(C) | $(BIN)/python
	@echo "Installing; torch is large, the first time takes some minutes ..."
	$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/run

$(VENV)/bench: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing; torch is large, the first time takes some minutes ..."
	$(INSTALL) --editable '.[bench]'
	@touch $@ $(VENV)/run

# Compiled when the package is installed, and again when it was changed; without a compiler everything works, and slower.
$(COMPILED): $(C) | $(VENV)/dev
	-$(BIN)/python models/compiled/build.py

.PHONY: help demo up test check fuzz proof bench report clean
