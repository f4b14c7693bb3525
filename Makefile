# Everything that webdyno needs is made here, in .venv; each target may be repeated, and is quick then.
PYTHON ?= python3
SUITE ?= standard
BACKEND ?= auto
BIN := .venv/bin

.PHONY: bench test check report clean
.DEFAULT_GOAL := bench

bench: .venv/ready  ## measure, and leave tables and a report: SUITE=smoke|standard|rate|scaling|capacity|article|variants, BACKEND=auto|cgroup|docker
	@$(BIN)/webdyno run --suite $(SUITE) --backend $(BACKEND)

test: .venv/ready-for-tests  ## the fast tests, then the slow ones
	$(BIN)/pytest -q -m "not slow"
	$(BIN)/pytest -q -m "slow and not alone" -n 2
	$(BIN)/pytest -q -m alone

check: .venv/ready-for-tests  ## formatting, lint, types, and which module may import which
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy harness
	$(BIN)/mypy deploy
	$(BIN)/mypy benchmarks/*.py
	$(BIN)/mypy --allow-untyped-decorators --allow-subclassing-any scenarios  # Locust has no types
	MYPYPATH=apps $(BIN)/mypy $(patsubst apps/%/__init__.py,-p %,$(wildcard apps/*/__init__.py))
	for app in apps/*/app.py; do folder=$$(dirname $$app); MYPYPATH=apps:$$folder $(BIN)/mypy $$folder || exit 1; done
	for folder in $(filter-out tests/__pycache__/,$(wildcard tests/*/)); do MYPYPATH=tests:$$folder $(BIN)/mypy --explicit-package-bases $$folder || exit 1; done
	$(BIN)/lint-imports

report: .venv/ready  ## rebuild the latest run's report from what is stored
	@$(BIN)/webdyno report latest

clean:  ## collect what a killed run may have left, and remove the environment and the caches
	@if [ -x $(BIN)/webdyno ]; then $(BIN)/webdyno clean; fi
	rm -rf .venv *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "webdyno needs Python 3.11 or newer as $(PYTHON); name another: make PYTHON=python3.12 …" >&2; exit 2; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing (Debian: apt install python3-venv)" >&2; exit 3; }
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt uv
	@$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e .
	@touch $@

.venv/ready-for-tests: .venv/ready
	@$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt --group test --group check
	@touch $@
