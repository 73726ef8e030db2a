# Two commands on a fresh machine: `make demo` and `make test`. Both make the environment first (.venv).
PYTHON ?= python3
VENV ?= .venv
# Seconds that `make torture` goes on; one round of everything is the least.
DURATION ?= 600
# For `make models`: faces to calibrate with, and the float models that were trained here.
FACES ?=
OWN ?=
# More pytest arguments: make test TESTS="tests/unit -k door"
TESTS ?=
BIN := $(VENV)/bin
SETUP := $(PYTHON) scripts/bootstrap.py --venv $(VENV)
# gpiozero's pin driver, where there are such pins
PINS := $(if $(filter aarch64,$(shell uname -m)),pi)

.DEFAULT_GOAL := help
.PHONY: help venv dev demo test check lint types unit torture format lock models clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

venv: ## the environment of a device: runtime alone
	@$(SETUP) build runtime $(PINS)

dev: ## the environment with everything: demo, tests, lint
	@$(SETUP) --system strace=strace mosquitto=mosquitto systemd-analyze=systemd shellcheck=shellcheck -- build runtime demo test

demo: ## the whole daemon on a virtual camera: people come to the door, a table says what happened
	@$(SETUP) --system mosquitto=mosquitto -- build runtime demo
	@$(BIN)/edgeface demo --site

test: dev ## lint, format, types, tests with branch coverage
	@$(MAKE) --no-print-directory check
	@if [ -n "$(TESTS)" ]; then $(BIN)/python -m pytest -q -n 2 --dist loadgroup $(TESTS); else \
	  $(BIN)/python -m pytest -q -n 2 --dist loadgroup --cov --cov-report= --ignore tests/e2e && \
	  echo "now the real processes, one after the other:" && \
	  $(BIN)/python -m pytest -q --cov --cov-append --cov-report=term tests/e2e; fi

check: ## lint, format and types, in an environment that stands
	@failed=; \
	$(BIN)/ruff check --quiet . || failed="$$failed lint"; \
	$(BIN)/ruff format --quiet --check . || failed="$$failed format(make format)"; \
	$(BIN)/mypy --no-error-summary -p edgeface || failed="$$failed types"; \
	if [ -n "$$failed" ]; then echo "not fine:$$failed"; exit 1; fi; \
	echo "lint, format and types: fine"

torture: dev ## the long campaigns of kills and fuzzing: make torture DURATION=600
	@$(BIN)/python scripts/torture.py $(DURATION) $(TESTS)

format: dev ## formats the code and sorts the imports
	@$(BIN)/ruff check --quiet --fix-only . ; $(BIN)/ruff format .

lock: ## solves the dependencies anew and writes constraints.txt
	@$(SETUP) lock
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python scripts/lock.py

models: dev ## builds models/ from their sources: make models FACES=dir/of/faces OWN=dir/of/our/float/models
	@test -n "$(FACES)" -a -n "$(OWN)" || { echo "Say where they are: make models FACES=… OWN=…"; exit 2; }
	@$(SETUP) models
	@$(BIN)/python -m scripts.build_models build --faces "$(FACES)" --own "$(OWN)"
	@$(BIN)/python -m scripts.build_models calibrate --faces "$(FACES)"
	@$(BIN)/python -m scripts.build_models cards

clean: ## removes what was built; the environment too
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
