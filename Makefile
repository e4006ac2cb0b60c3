# Everything a developer or an operator types. Needs Python 3.11 or newer with pip,
# and make; `make PYTHON=python3.12 ...` picks another interpreter.

PYTHON ?= python3
# Tests wait for disks and servers as much as they compute: two on two cores is
# the fastest that leaves their timings steady.
WORKERS ?= 2
LISTEN ?= 127.0.0.1:7440
DATABASE ?= var/cage.db

BIN := .venv/bin
# Exists, and is newer than its sources, when all is installed.
READY := .venv/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DELETE_ON_ERROR:
.PHONY: help serve demo test check bench soak generate clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Cage needs Python 3.11 or newer: make PYTHON=python3.11" >&2; exit 1; }
	@echo "installing into .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --constraint constraints.txt \
	  --editable '.[server,postgres,dev]'
	@touch $@

serve: $(READY)  ## start the server with demo data on var/cage.db
	@mkdir -p $(dir $(DATABASE))
	@$(BIN)/caged serve --demo --database $(DATABASE) --listen $(LISTEN)

demo: $(READY)  ## play a few rounds against a server of its own
	@$(BIN)/cagectl demo --spawn

test: $(READY)  ## run every test that a change must pass
	@$(BIN)/python -m pytest tests -n $(WORKERS) --dist worksteal

check: $(READY)  ## check format, style, types, layers and the contract
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	  $(BIN)/python protos/generate.py --out "$$fresh" && \
	  diff -r --exclude=__pycache__ --exclude=py.typed --exclude='*.proto' \
	    protos/cage "$$fresh/cage"
	@$(BIN)/buf lint
	@$(BIN)/buf breaking protos --against protos/baseline.binpb
	@echo "check: all clean"

bench: $(READY)  ## measure; writes build/bench.json
	@mkdir -p build
	@$(BIN)/python tests/benchmarks/bench.py

soak: $(READY)  ## run the long tests: kills, overload, a million bets
	@$(BIN)/python -m pytest tests -m soak --timeout 0

generate: $(READY)  ## write the Python code of the contract
	@$(BIN)/python protos/generate.py

clean:  ## remove all that make made, but not the database in var
	@rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache \
	  .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
