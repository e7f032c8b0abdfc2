# The two commands of the README, `make demo` and `make test`, set up .venv by themselves.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
READY := .venv/.ready
SOURCES := mintdsl tests benchmarks

.PHONY: help demo test lint types unit slow interop fuzz mutate bench wheel format clean moved

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

demo: $(READY)  ## prove, generate, train and sample a small MintNet, in a few minutes
	@$(PY) -m mintdsl.tools.cli demo

test: lint types unit  ## lint, types and the tests: what has to pass (the heavy ones: make slow)

lint: $(READY)  ## style and formatting
	@$(PY) -m ruff check --quiet --output-format concise $(SOURCES) && $(PY) -m ruff format --check --quiet $(SOURCES) && echo "lint: ok"

types: $(READY)  ## mypy, strict
	@printf 'types: ' && $(PY) -m mypy --no-error-summary && echo ok

unit: $(READY)  ## the tests alone; make unit ARGS="-k proof"
	@$(PY) -m pytest -q -m "not slow" -n auto --maxprocesses 8 --durations=10 $(ARGS)

slow: $(READY)  ## the heavy tests: wheel, demo, full-size models, many generated programs
	@$(PY) -m pytest -q -m slow --durations=10 $(ARGS)

interop: $(READY)  ## the adapters against zuko, nflows, normflows, FrEIA and Lightning, which it installs into .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev,interop]' -c constraints.txt
	@$(PY) -m pytest -q tests/interop --durations=10 $(ARGS)

fuzz: $(READY)  ## random programs and mutants against the checker, for an hour or more; make fuzz ARGS="--seed 1"
	@$(PY) -m tests.fuzz --accepted 20000 --mutants 20000 --seconds 7200 --jobs 2 --out fuzz-found $(ARGS)

mutate: $(READY)  ## ten minutes of mutated programs; make mutate ARGS="--seconds 60 --seed 1"
	@$(PY) -m tests.hostile.mutate $(ARGS)

bench: $(READY)  ## the cost of a first `mint check`, and how it grows with the program
	@$(PY) benchmarks/cold_check.py && $(PY) benchmarks/check_growth.py

wheel: $(READY)  ## dist/mintdsl-*.whl
	@$(PY) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . && ls dist/*.whl

format: $(READY)  ## sort imports and format
	@$(PY) -m ruff check --quiet --select I --fix $(SOURCES) && $(PY) -m ruff format --quiet $(SOURCES)

clean:  ## remove what the other targets made, except .venv
	@rm -rf build dist demo fuzz-found .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# Python 3.11 first: the versions in constraints.txt were chosen for it. PYTHON=... overrides the search.
$(READY): pyproject.toml constraints.txt $(if $(shell test -f $(READY) && test "$$(cat $(READY))" != "$$PWD" && echo moved),moved)
	@set -e; \
	python=; \
	for candidate in "$(PYTHON)" python3.11 python3 python; do \
	  if [ -n "$$candidate" ] && "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    python=$$candidate; break; \
	  fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "mintdsl needs Python 3.11 or newer, and none was found on the PATH. Install it, or name it: make test PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	  echo "$$python cannot make virtual environments; install its venv package (on Debian: python3-venv)." >&2; exit 1; \
	fi; \
	echo "Setting up .venv once, with $$("$$python" --version). PyTorch is a large download; this can take some minutes."; \
	rm -f $(READY); \
	"$$python" -m venv .venv; \
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt; \
	$(PY) -m compileall -q mintdsl; \
	printf '%s\n' "$$PWD" > $(READY)
