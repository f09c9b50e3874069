# The doors. Each works as the first command on a fresh machine with Python >= 3.11.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONHASHSEED := 0

.PHONY: repro test fast lint bench lock

repro: $(READY)        ## photos in, submission.csv out
	dvc repro

test: $(READY)         ## every test that this machine can run, two files at a time
	python -m pytest -n 2 --dist loadfile

fast: $(READY)         ## the tests that take seconds, without whole pipelines and browsers
	python -m pytest -m "not slow"

lint: $(READY)
	ruff check .
	ruff format --check .

bench: $(READY)        ## side-by-side measurements -> metrics/bench.json; ONLY="crop index" runs some
	python -m tests.bench $(ONLY)

lock: $(READY)         ## newest versions that fit pyproject.toml -> requirements.lock
	uv pip compile -q --universal --python-version 3.11 --extra dev --upgrade --no-emit-index-url --no-annotate --no-header \
		pyproject.toml -o requirements.lock

# The stamp comes last: an install that was cut short has none and is begun anew.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "visage needs Python >= 3.11, and $(PYTHON) is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12 ...")'
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install --no-deps --no-build-isolation -e .
	touch $@
