# make demo   sets up and runs the main job        make test   sets up and passes the tests
# make check  what else must hold                  make site   the site, in build/site
# make audit  every page against axe-core in every look, and Lighthouse (Chromium and Node.js; about half an hour)
# make verify-training  the quick training runs of all papers, and keeps what they measure (CPU, minutes)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REPRO := $(BIN)/repro

.PHONY: demo test check lint wheel site audit bench verify-training clean
.DELETE_ON_ERROR:

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# A stamp for each set of extras, so that make demo on a fresh machine does not wait for the tools of development.
$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[peers,site]'
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[peers,site,training,dev]'
	touch $@ $(VENV)/demo.stamp

$(VENV)/bench.stamp: $(VENV)/dev.stamp
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[bench]'
	touch $@

$(VENV)/training.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[training]'
	touch $@

demo: $(VENV)/demo.stamp
	$(REPRO) validate
	$(REPRO) lineage inception
	$(REPRO) verify xception
	$(REPRO) site build
	@echo "The site is in build/site; $(REPRO) site serve shows it."

test: $(VENV)/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto

check: lint wheel site
	$(REPRO) validate
	$(REPRO) fmt --check

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

wheel: $(VENV)/dev.stamp
	$(BIN)/pytest -m wheel

site: $(VENV)/demo.stamp
	$(REPRO) site build

audit: $(VENV)/dev.stamp site
	$(BIN)/python -m tests.browser.lighthouse
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --all-pages tests/browser/test_axe.py

bench: $(VENV)/bench.stamp
	$(BIN)/python tools/bench/lineage.py
	$(BIN)/python tools/bench/catalogue.py
	$(BIN)/python tools/bench/verify.py
	$(BIN)/python tools/bench/models.py
	$(BIN)/python tools/bench/site.py

verify-training: $(VENV)/training.stamp
	$(REPRO) verify --all --tier training --record

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
