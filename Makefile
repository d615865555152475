# What a developer does. `make setup` first; every other target works in the environment that it makes.
VENV ?= .venv
BIN := $(VENV)/bin
SECONDS_EACH ?= 60
FUZZ_TARGETS := bundle checkpoint graph list recording text voice
export OMP_NUM_THREADS ?= 1

.PHONY: help setup test lint type coverage docs reference bench properties fuzz asan dist clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | column -t -s '|'

setup: ## an environment with everything, the package editable, and the hooks of git
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[dev,train]"
	git rev-parse --git-dir > /dev/null 2>&1 && $(BIN)/pre-commit install || true

test: ## the whole suite
	$(BIN)/pytest -n 2 --dist loadfile

lint: ## style, and what ruff can mend of it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: ## types, strict
	$(BIN)/mypy

coverage: ## the suite with coverage: htmlcov/, and docs/coverage.md
	$(BIN)/pytest -n 2 --dist loadfile --cov --cov-report=html
	$(BIN)/python docs/generate.py coverage

docs: ## the documentation as a site, in site/
	$(BIN)/mkdocs build --strict

reference: ## the generated parts of docs/: command line and annotated tree
	$(BIN)/python docs/generate.py reference

bench: ## where the time of speaking goes
	$(BIN)/python benchmarks/speak.py

properties: ## property tests on new examples
	HYPOTHESIS_PROFILE=search $(BIN)/pytest -n 2 --dist loadfile tests/text tests/voices tests/audio tests/models tests/conversion/checkpoints tests/inference tests/data

fuzz: ## atheris on the readers of foreign files, SECONDS_EACH (60) for each target
	$(BIN)/pip install --quiet --disable-pip-version-check "atheris>=3"
	@set -e; for target in $(FUZZ_TARGETS); do \
		echo "fuzz: $$target"; \
		$(BIN)/python tests/fuzz/fuzz.py $$target -max_total_time=$(SECONDS_EACH) -rss_limit_mb=2048 -timeout=10; \
	done

asan: ## the tests of the kernels under AddressSanitizer and UndefinedBehaviorSanitizer
	rm -rf build
	CXXFLAGS="-fsanitize=address,undefined -fno-omit-frame-pointer -g" LDFLAGS="-fsanitize=address,undefined" \
		$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .asan .
	rm -rf build # or the next installation would take the instrumented objects
	nm -D .asan/timbral/native/_native*.so | grep -q __asan_init
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 PYTHONPATH=.asan \
		$(BIN)/python -m pytest tests/native

dist: ## sdist and wheel, in dist/
	$(BIN)/python -m build

clean: ## removes what the other targets have made, but for the environment
	rm -rf .asan build dist site htmlcov .coverage .coverage.* src/*.egg-info
