# Everything happens in .venv, which the first target that needs it makes. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# one process may not take all cores: other slots and other tests run beside it
export OMP_NUM_THREADS ?= 1
# without byte code on disk every process compiles torch anew, for 3 s: the first run keeps it for all others
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test chaos chaos-tests slow-tests fuzz audit lint format docs site bench-null bench-grid bench-plan bench-gpu validation paper clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

# uv installs these 5 GB in a fourth of pip's time. It does not read pip.conf: where only that names an index, pip does it.
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
FALLBACK = $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip uv
	$(INSTALL) --editable . || $(FALLBACK) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) --group dev || $(FALLBACK) --group dev
	touch $@

install: $(VENV)/.installed  ## make .venv and install orch into it

demo: $(VENV)/.installed  ## run the quickstart sweep and write its report
	$(BIN)/orch sweep examples/quickstart.yaml
	$(BIN)/orch results results/quickstart --limit 10
	$(BIN)/orch report results/quickstart

lint: $(VENV)/.installed-dev  ## ruff, mypy and bandit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive orchestrator trainables clusters results_schema

# one more than there are cores and no more than four: each holds torch, and waits for other processes a third of its time;
# Ray's tests go one after another in one of them (tests/conftest.py)
TESTERS ?= $(shell echo $$(( $$(nproc) < 3 ? $$(nproc) + 1 : 4 )))
test: lint  ## lint, then the tests
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile --no-loadscope-reorder

MINUTES ?= 5
chaos: $(VENV)/.installed-dev  ## disturb sweeps at random for MINUTES; goes on where it stopped, adds to docs/chaos.md
	$(BIN)/python -m tests.chaos --minutes $(MINUTES)

chaos-tests: $(VENV)/.installed-dev  ## the tests that take a Ray of their own to kill something (some minutes)
	$(BIN)/python -m pytest -m chaos

slow-tests: $(VENV)/.installed-dev  ## the tests that take minutes or machines of their own (half an hour)
	$(BIN)/python -m pytest -m slow --numprocesses $(TESTERS) --dist loadfile --no-loadscope-reorder

fuzz: $(VENV)/.installed-dev  ## change CASES=10000 files of users, and 3,000 results, at random: only planned, refused, told
	ORCH_FUZZ_CASES=$(or $(CASES),10000) $(BIN)/python -m pytest tests/fuzz --hypothesis-show-statistics

audit: $(VENV)/.installed-dev  ## known faults of all packages: ends with 1 for faults, 3 where the service is out of reach
	$(BIN)/python scripts/audit.py

format: $(VENV)/.installed-dev  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed  ## write the generated documents anew
	$(BIN)/python -m results_schema > docs/data-dictionary.md
	$(BIN)/python -m orchestrator.cli.terminal.reference > docs/cli.md
	$(BIN)/python -m orchestrator.cli.terminal.cluster_reference > docs/cluster-file.md
	$(BIN)/python -m orchestrator.grid.page > docs/grid.md

site: $(VENV)/.installed-dev  ## build the documentation into build/site, without a network; any warning fails
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs build/site

bench-null: $(VENV)/.installed-dev  ## what a trial costs beyond its training, beside Ray Tune
	$(BIN)/python benchmarks/null_trials.py --trials 1000 --peers

bench-grid: $(VENV)/.installed-dev  ## 64 trials on Fashion-MNIST, beside Ray Tune, joblib and a tight loop
	$(BIN)/python benchmarks/fashion_grid.py

bench-plan: $(VENV)/.installed-dev  ## a plan of 1,000,000 trials
	$(BIN)/python benchmarks/plan_scale.py

validation: $(VENV)/.installed-dev  ## the catalogue beside published figures: docs/validation.md (hours)
	$(BIN)/python -m benchmarks.validation

# some hours; GRIDS=stills,clips runs these alone, and what docs/paper/ has does not run again. Needs ORCH_DATA
paper: $(VENV)/.installed-dev  ## a study as claims, with verdicts: docs/paper.md; GRIDS=clips,long in pieces, resumable
	$(BIN)/python -m benchmarks.paper $(if $(GRIDS),--only $(GRIDS))

bench-gpu: $(VENV)/.installed-dev  ## the Fashion-MNIST grid on one GPU, and the GPU checks
	$(BIN)/python benchmarks/gpu.py
	$(BIN)/python -m pytest -m gpu

clean:  ## remove .venv and what tools keep
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
