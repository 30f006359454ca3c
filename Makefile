# Two commands do all the set-up: `make run` and `make test` make .venv and install ganexp into it first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The versions that the whole suite passed with; `make CONSTRAINTS= ...` takes the newest that pyproject.toml allows.
CONSTRAINTS ?= constraints.txt
INSTALL := $(BIN)/python -m pip install --quiet $(addprefix --constraint ,$(CONSTRAINTS))

.PHONY: run test test-newest test-slow test-faults lint test-cluster bench structure install mnist fashionmnist cifar10 all clean

run: $(READY) ## train on the embedded digits and say where the pictures are
	$(BIN)/python -m ganexp experiment=quickstart

test: $(READY) ## the test suite
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-newest: ## the test suite with the newest versions that pyproject.toml allows, in a venv of its own
	rm -f .venv-newest/.ready
	$(MAKE) test VENV=.venv-newest CONSTRAINTS= UPGRADE="--upgrade --upgrade-strategy eager"

test-slow: $(READY) ## tests that take a while
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

test-faults: $(READY) ## kills, full disks, bad input, strangers' files; FAULTS_ROUNDS=10 for ten times as much
	$(BIN)/python -m pytest -n 2 --dist worksteal -o addopts="-ra --strict-markers --strict-config" tests/faults

lint: $(READY) ## style, types, the order of the rooms, and that what src imports is declared
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src

test-cluster: $(READY) ## SLURM, Ray and PostgreSQL on this machine; needs root, installs Debian's packages
	$(INSTALL) --editable ".[slurm,ray,postgresql]"
	$(BIN)/python -m pytest -o addopts="-ra --strict-markers --strict-config" tests/cluster

bench: $(READY) ## throughput against the original's way and the machine's limit; half an hour on an idle machine
	$(BIN)/python benchmarks/throughput.py

structure: $(READY) ## the structure of src in figures: rooms, arrows, circles, the way to the first optimizer step
	$(BIN)/python benchmarks/structure.py

install: $(READY) ## make .venv and install ganexp for development

$(READY): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(INSTALL) $(UPGRADE) --editable ".[dev]"
	touch $(READY)

# The original project's own targets: its best settings on its three datasets.
mnist: $(READY)
	$(BIN)/python -m ganexp experiment=seed_mnist

fashionmnist: $(READY)
	$(BIN)/python -m ganexp experiment=seed_fashion_mnist

cifar10: $(READY)
	$(BIN)/python -m ganexp experiment=seed_cifar10

all: mnist fashionmnist cifar10

clean:
	rm -rf $(VENV) .venv-newest .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis build dist
