# Every target stands alone: from a fresh clone it makes .venv itself, with nothing but Python 3.11
# or newer, pip and venv. PYTHON=python3.13 make test picks the interpreter.

PYTHON ?= python3
SEED ?= 0
N ?= 40
BIN := .venv/bin

# The arrays are small: more threads per process only get in the way of the other processes.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-all explore coverage mutants lint format bench docs dist clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: .venv/.demo  ## train on digits while 3 of 12 workers lie, and say where the report is
	$(BIN)/saddleproof demo

test: .venv/.dev  ## the quick tests
	$(BIN)/pytest -n 2

test-slow: .venv/.dev  ## the tests that take more than a few seconds
	$(BIN)/pytest -n 2 -m slow

test-all: test test-slow  ## both

explore: .venv/.dev  ## the quick tests, with property tests that draw new examples
	$(BIN)/pytest -n 2 --hypothesis-profile=explore

coverage: .venv/.dev  ## the quick tests, and which lines and branches they run; fails below the floor
	$(BIN)/pytest -n 2 --cov --cov-report=term

mutants: .venv/.dev  ## break N places of the source (SEED=0 N=40), and list those that no test minds
	$(BIN)/python benchmarks/mutants.py --seed $(SEED) --count $(N)

lint: .venv/.dev  ## style, types, and who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev  ## let ruff lay out the code
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

bench: .venv/.dev  ## measure every figure that the manual states: hours; can be stopped and taken up again
	$(BIN)/python benchmarks run $(ONLY)

docs: .venv/.dev  ## build the manual into docs/_build/html; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

dist: .venv/.release  ## wheel and sdist into dist/, checked, and tried from a fresh environment
	rm -rf dist build
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m venv build/fresh
	build/fresh/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	cd build && fresh/bin/python ../.ci/installed.py ../dist

clean:  ## forget everything that was built
	rm -rf .venv dist build docs/_build .mypy_cache .pytest_cache .ruff_cache

# One environment; .demo holds what the demo needs, .dev what all else needs, .release what dist needs.
.venv/.demo .venv/.dev .venv/.release: .venv/.%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	touch $@
