# Every target stands alone: from a fresh clone it makes .venv itself, with nothing but Python 3.11
# or newer, pip and venv. PYTHON=python3.13 make test picks the interpreter.

PYTHON ?= python3
SEED ?= 0
N ?= 40
SECONDS ?= 60
BIN := .venv/bin
EXTRAS := demo dev release

# The arrays are small: more threads per process only get in the way of the other processes.
export OMP_NUM_THREADS ?= 1
# What pip builds with is pinned too.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-all test-flower explore coverage mutants fuzz lint format bench docs dist lock audit sbom clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: .venv/.demo  ## train on digits while 3 of 12 workers lie, and say where the report is
	$(BIN)/saddleproof demo

test: .venv/.dev  ## the quick tests
	$(BIN)/pytest -n 2

test-slow: .venv/.dev  ## the tests that take more than a few seconds
	$(BIN)/pytest -n 2 -m slow

test-all: test test-slow  ## both

test-flower:  ## the Flower tests with the newest Flower that the extra allows, in build/flower
	$(PYTHON) -m venv --clear build/flower
	build/flower/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	    -r requirements/dev.txt
	build/flower/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	PIP_CONSTRAINT= build/flower/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'flwr<1.43'
	build/flower/bin/python -m pip list 2> /dev/null | grep -i flwr
	build/flower/bin/pytest -q tests/flower tests/fleets/flower

explore: .venv/.dev  ## the quick tests, with property tests that draw new examples
	$(BIN)/pytest -n 2 --hypothesis-profile=explore

coverage: .venv/.dev  ## the quick tests, and which lines and branches they run; fails below the floor
	$(BIN)/pytest -n 2 --cov --cov-report=term

mutants: .venv/.dev  ## break N places of the source (SEED=0 N=40), and list those that no test minds
	$(BIN)/python benchmarks/mutants.py --seed $(SEED) --count $(N)

fuzz: .venv/.dev  ## changed bytes into the five decoders for SECONDS=60, from a seed that it prints
	$(BIN)/python benchmarks fuzz --seconds $(SECONDS)

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

dist: .venv/.release  ## wheel and sdist into dist/, the same bytes twice, checked and tried
	rm -rf dist build
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m build --sdist --wheel --outdir build/again
	for file in dist/*; do cmp $$file build/again/$${file#dist/} || exit 1; done
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m venv build/fresh
	build/fresh/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	cd build && fresh/bin/python ../.ci/installed.py ../dist

lock: .venv/.release  ## write the hashes in requirements/ anew, for the versions in constraints.txt
	for extra in $(EXTRAS); do $(BIN)/uv pip compile --quiet pyproject.toml --extra $$extra \
	    -c constraints.txt --override requirements/overrides.txt --universal --python-version 3.11.5 \
	    --generate-hashes --no-annotate --custom-compile-command "make lock" \
	    -o requirements/$$extra.txt || exit 1; done

audit: .venv/.release  ## known weaknesses of the versions in constraints.txt; asks PyPI
	@$(BIN)/pip-audit --strict --disable-pip --no-deps -r constraints.txt || { \
	    echo "make audit: not passed. Above stands a weakness, or a package that PyPI does not answer for"; exit 1; }

sbom: .venv/.dev .venv/.release  ## build/sbom.json, all that .venv holds (CycloneDX), and its licences
	mkdir -p build
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	    --output-format JSON --output-file build/sbom.json $(BIN)/python
	$(BIN)/python .ci/licences.py build/sbom.json

clean:  ## forget everything that was built
	rm -rf .venv dist build docs/_build .mypy_cache .pytest_cache .ruff_cache

# One environment; .demo holds what the demo needs, .dev what all else needs, .release what dist needs.
.venv/.demo .venv/.dev .venv/.release: .venv/.%: pyproject.toml constraints.txt requirements/%.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/$*.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	touch $@
