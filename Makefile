# Everything runs in .venv, which is made and filled on first use. Stamp files make repeats quick.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# One thread each for BLAS and OpenMP: tests run in parallel, and benchmarks compare like with like.
export OMP_NUM_THREADS ?= 1

.PHONY: venv demo test test-peers bench format clean

venv: $(VENV)/.with-test

$(VENV)/.made:
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

# .with-demo, .with-test, .with-peers: the package with those of its extras
$(VENV)/.with-%: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@

demo: $(VENV)/.with-demo
	$(BIN)/python examples/demo.py

test: $(VENV)/.with-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses auto -m "not peers"

test-peers: $(VENV)/.with-test $(VENV)/.with-peers
	$(BIN)/pytest --numprocesses auto -m peers

bench: $(VENV)/.with-peers
	$(BIN)/python -m benchmarks

format: $(VENV)/.with-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
