# Everything runs in a virtual environment of its own, made by the first command on a fresh machine.
# PYTHON=python3.12 picks another Python. PIP_FLAGS="--no-index --find-links wheelhouse" installs without a network.

PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --quiet $(PIP_FLAGS)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: demo test test-all lint clean

demo: $(VENV)/.demo
	$(BIN)/labelfree demo

test: $(VENV)/.test
	$(PYTEST) -n 2 --dist loadfile $(ARGS)

test-all: $(VENV)/.test
	$(PYTEST) -n 2 --dist loadfile -m "" $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A stamp is older than pyproject.toml only when dependencies may have changed.
$(VENV)/.demo: pyproject.toml | $(BIN)
	$(PIP) --editable ".[demo]"
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)
	$(PIP) --editable ".[test]"
	@touch $@ $(VENV)/.demo

$(BIN):
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist
