# Everything runs in .venv, which is made and filled on first use. Stamp files make repeats quick.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Modules that setup.py compiles: the package is built again where one of them has changed.
COMPILED := $(shell sed -n 's/^ *"\(src[^"]*[.]py\)",$$/\1/p' setup.py)
EXTRA = import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["$*"], sep="\n")

# Where there is a C compiler the hot modules are compiled: `setup.py` goes on without, `make test` does not.
HOT = import shutil, chainrule.ops.hot as hot; assert not (shutil.which("cc") and hot.__file__.endswith(".py")), "the hot modules were not compiled: see the output of pip install -v ."

# One thread each for BLAS and OpenMP: tests run in parallel, and benchmarks compare like with like.
export OMP_NUM_THREADS ?= 1

.PHONY: venv demo test test-pure test-long test-bounds test-peers test-array-api bench bench-gradbench format clean

venv: $(VENV)/.package $(VENV)/.with-test

$(VENV)/.made:
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

$(VENV)/.package: $(VENV)/.made pyproject.toml setup.py $(COMPILED)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# .with-demo, .with-test, .with-peers, .with-array-api, .with-gradbench: what the package's extras of these names list
$(VENV)/.with-%: $(VENV)/.made pyproject.toml
	$(BIN)/python -c '$(EXTRA)' > $@.txt
	$(BIN)/python -m pip install --quiet --requirement $@.txt
	touch $@

demo: $(VENV)/.package $(VENV)/.with-demo
	$(BIN)/python examples/demo.py

test: $(VENV)/.package $(VENV)/.with-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -c '$(HOT)'
	$(BIN)/pytest --numprocesses auto -m "not peers"
	$(MAKE) test-pure

# The compiled modules again as the Python they are written in.
test-pure: $(VENV)/.package $(VENV)/.with-test
	rm -rf build/pure && mkdir -p build/pure && cp -r src/chainrule build/pure
	find build/pure -name '*.so' -delete
	PYTHONPATH=build/pure $(BIN)/python -c 'import chainrule.ops.hot as hot; assert hot.__file__.endswith(".py")'
	PYTHONPATH=build/pure $(BIN)/pytest --numprocesses auto tests/test_table.py tests/test_backward.py tests/test_inplace.py
	PYTHONPATH=build/pure $(BIN)/pytest --numprocesses auto tests/test_compiled_walks.py tests/test_compiled_operations.py -k "not test_row"

# Thousands of random programs, new ones every time.
test-long: $(VENV)/.package $(VENV)/.with-test
	$(BIN)/pytest --numprocesses auto --hypothesis-profile long tests/test_properties.py
	CHAINRULE_ALIASES=20000 $(BIN)/pytest tests/test_alias_programs.py
	$(MAKE) test-bounds PROGRAMS=3000
	CHAINRULE_CALLS=1000000 $(BIN)/pytest tests/test_jit_memory.py

# Everything that is compiled again, with every load and store of the machine code checked.
PROGRAMS ?= 300
test-bounds: $(VENV)/.package $(VENV)/.with-test
	CHAINRULE_CHECK_BOUNDS=1 CHAINRULE_PROGRAMS=$(PROGRAMS) \
	  $(BIN)/pytest --numprocesses auto $(wildcard tests/test_jit*.py) tests/test_gradbench.py

test-peers: $(VENV)/.package $(VENV)/.with-test $(VENV)/.with-peers
	$(BIN)/pytest --numprocesses auto -m peers

# The public test suite of the array API standard, 2024.12, in a checkout with its submodule:
#   git clone --recurse-submodules https://github.com/data-apis/array-api-tests
# at commit 55fcc60 (2026-04-03; version 2026.02.26 and 20 commits). `make test-array-api SUITE=path`
SUITE ?=
EXAMPLES ?= 200
test-array-api: $(VENV)/.package $(VENV)/.with-array-api
	@test -f "$(SUITE)/array_api_tests/__init__.py" -a -d "$(SUITE)/array-api/spec" || { \
	  echo "SUITE='$(SUITE)' is no checkout of the array API tests with its submodule array-api;"; \
	  echo "clone https://github.com/data-apis/array-api-tests with --recurse-submodules, and give its path:"; \
	  echo "  make test-array-api SUITE=path"; exit 1; }
	cd "$(SUITE)" && ARRAY_API_TESTS_MODULE=chainrule ARRAY_API_TESTS_VERSION=2024.12 \
	  $(CURDIR)/$(BIN)/pytest --numprocesses auto --disable-warnings --disable-deadline --max-examples $(EXAMPLES) \
	  --xfails-file=$(CURDIR)/tests/array_api_exceptions.txt array_api_tests

bench: $(VENV)/.package $(VENV)/.with-peers
	$(BIN)/python -m benchmarks.eager
	$(BIN)/python -m benchmarks.taylor
	$(BIN)/python -m benchmarks.vectormath
	$(BIN)/python -m benchmarks.transforms
	$(BIN)/python -m benchmarks.compiler
	$(BIN)/python -m benchmarks.loops
	$(if $(GRADBENCH),$(MAKE) bench-gradbench,@echo "GRADBENCH=path adds the evals of GradBench: see below in the Makefile")

# GradBench beside hand-written C++, PyTorch and JAX, in a checkout of it (g++ and nlohmann-json needed):
#   git clone https://github.com/gradbench/gradbench
# `make bench-gradbench GRADBENCH=path`, with OPTIONS="--evals gmm,ba --sizes large" for a part of it,
# writes a table, build/gradbench.md, and a picture, build/gradbench.png
GRADBENCH ?=
OPTIONS ?=
bench-gradbench: $(VENV)/.package $(VENV)/.with-peers $(VENV)/.with-gradbench
	@test -n "$(GRADBENCH)" || { \
	  echo "clone https://github.com/gradbench/gradbench, and give its path:"; \
	  echo "  make bench-gradbench GRADBENCH=path"; exit 1; }
	$(BIN)/python -m benchmarks.gradbench.compare "$(GRADBENCH)" $(OPTIONS)

format: $(VENV)/.with-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
	find src -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
