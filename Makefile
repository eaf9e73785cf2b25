# make setup: everything into .venv; make quote: a real quote; make test: what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup quote test test-all bench web lock messages reference validation clean

setup: $(STAMP)

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "python3-venv is missing; trying to install it" >&2; rm -rf $(VENV); \
	  apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)

quote: setup
	$(BIN)/tokenworks quote examples/train-deepseek-v3-in-abu-dhabi.yaml

test: setup
	$(BIN)/ruff check src tests scripts bench
	$(BIN)/ruff format --check src tests scripts bench
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 -m "not long"

test-all: test
	$(BIN)/pytest -n 2 -m long

bench: setup
	$(BIN)/python bench/quotes.py
	$(BIN)/python bench/search.py
	$(BIN)/python bench/device.py

web:
	@echo "make web: not in this version" >&2; exit 2

lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links -o requirements.txt pyproject.toml

reference: setup
	$(BIN)/python scripts/reference.py

validation: setup
	$(BIN)/tokenworks validate --refit -o build/validation > /dev/null
	cp build/validation/fitted.yaml build/validation/bars.yaml src/tokenworks/catalog/data/calibration/
	cp build/validation/*.md build/validation/*.svg docs/

messages: setup
	$(BIN)/python scripts/messages.py extract
	$(BIN)/python scripts/messages.py compile

clean:
	rm -rf $(VENV)
