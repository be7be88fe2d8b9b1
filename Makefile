# everysum: `make demo` and `make test` work in a fresh clone with nothing but Python 3.11+ and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export EVERYSUM_TEST_DATA ?= $(abspath ../shared/data)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# one test file at a time on each core, and one thread in each: threads of two tests would wait for each other
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile
BENCHMARKS := start_up training_speed time_to_quality decoding explain explain_architectures page

.DEFAULT_GOAL := help
.PHONY: help demo test test-page test-all check bench screenshots format clean

help:  ## show this
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 18

demo: $(VENV)/.run  ## train on the text that ships with everysum for a minute and a half, then generate
	@rm -rf runs/demo
	$(BIN)/everysum train --demo --minutes 1.5 --out runs/demo

test: $(VENV)/.dev $(VENV)/.browser  ## the tests, under four minutes on two cores
	$(PYTEST) -m "not slow and not page"

test-page: $(VENV)/.dev $(VENV)/.browser  ## every test of the page in a browser
	$(PYTEST) tests/web -m "not slow"

test-all: $(VENV)/.dev $(VENV)/.browser  ## the slow proofs too
	$(PYTEST)

check: $(VENV)/.dev  ## format, lint, types (the page's too), import floors, and that the wheel works in a bare environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python tools/check_floors.py
	$(BIN)/python tools/check_page.py
	$(BIN)/python tools/check_wheel.py

bench: $(VENV)/.dev  ## the benchmarks, each beside its peer (those of translating take hours and are run by hand)
	@for name in $(BENCHMARKS); do echo "== benchmarks/$$name.py"; $(BIN)/python "benchmarks/$$name.py" || exit 1; done

screenshots: $(VENV)/.dev $(VENV)/.browser runs/demo  ## every chapter and the inspector in both themes and two widths, into results/screenshots
	$(BIN)/python tools/screenshots.py results/screenshots --model runs/demo

runs/demo:
	@$(MAKE) demo

format: $(VENV)/.dev  ## put every file into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove what can be made again
	rm -rf $(VENV) runs results dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.run: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "everysum needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing everysum and what it needs into $(VENV) (once; some minutes on a slow line)"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "installing what its tests and checks need"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

# Debian's Chromium for the tests of the page, where it may be installed; where not, the tests' summary says so
$(VENV)/.browser: $(VENV)/.dev
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || test -n "$$EVERYSUM_BROWSER" || \
		{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		echo "installing Chromium for the tests of the page" && apt-get update -qq >/dev/null 2>&1 && \
		apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null 2>&1; } || \
		echo "no Chromium here, and it may not be installed: the tests of the page will not run"
	@touch $@
