# make setup: everything into .venv; make quote: a real quote; make test: what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup quote test test-all bench web page browser lock messages reference validation clean

setup: $(STAMP)

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "python3-venv is missing; trying to install it" >&2; rm -rf $(VENV); \
	  apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@$(BIN)/python -m compileall -q src  # a first command need not compile, wherever Python may not keep what it compiled
	@touch $(STAMP)

quote: setup
	$(BIN)/tokenworks quote examples/train-deepseek-v3-in-abu-dhabi.yaml

test: setup browser
	$(BIN)/ruff check src tests scripts bench
	$(BIN)/ruff format --check src tests scripts bench
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 -m "not long"

test-all: test
	$(BIN)/pytest -n 2 -m long

bench: setup
	$(BIN)/python bench/quotes.py
	$(BIN)/python bench/visitors.py
	$(BIN)/python bench/page.py
	$(BIN)/python bench/search.py
	$(BIN)/python bench/device.py

web: setup page
	$(BIN)/tokenworks web

# The page is built where node is; elsewhere the build that is committed is served.
page:
	@if command -v npm >/dev/null 2>&1; then \
	  cd web && { test -d node_modules || npm ci --no-audit --no-fund; } && npm run build; \
	else echo "no npm here: the page is served as it was built before" >&2; fi

# What the browser tests need; without it they are skipped and say so.
browser:
	@if [ -x /usr/bin/chromium ] || [ -n "$$TOKENWORKS_CHROMIUM" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  { apt-get install -y -qq chromium fonts-noto-cjk || { apt-get update -qq && apt-get install -y -qq chromium fonts-noto-cjk; }; } >/dev/null 2>&1 \
	  || echo "chromium cannot be installed: the browser tests are skipped" >&2; \
	else echo "no chromium here: the browser tests are skipped" >&2; fi
	@if command -v npm >/dev/null 2>&1 && [ ! -f web/node_modules/axe-core/axe.min.js ]; then \
	  cd web && npm ci --no-audit --no-fund >/dev/null 2>&1 || echo "axe-core cannot be installed: its tests are skipped" >&2; fi

lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links -o requirements.txt pyproject.toml

reference: setup
	$(BIN)/python scripts/reference.py

validation: setup
	$(BIN)/tokenworks validate --refit -o build/validation > /dev/null
	cp build/validation/fitted.yaml build/validation/bars.yaml src/tokenworks/catalog/data/calibration/
	cp build/validation/validation.json src/tokenworks/catalog/data/
	cp build/validation/*.md build/validation/*.svg docs/

messages: setup
	$(BIN)/python scripts/messages.py extract
	$(BIN)/python scripts/messages.py compile

clean:
	rm -rf $(VENV)
