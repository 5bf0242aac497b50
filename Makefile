# Each target sets up what it needs in .venv, which is theirs to make and to remove, and installs nothing twice.
# Works with GNU make 3.81 and newer.
#
#   make run TORCH_INDEX=https://download.pytorch.org/whl/cpu    chooses the build of PyTorch when .venv is made
#   make run PYTHON=python3.12                                   chooses the Python that .venv is made with
#   make run JOBS=2            runs so many stages at once as wait for no other (docs/decisions/side-by-side.md)

PYTHON ?= python3.11 python3.12 python3.13 python3
TORCH_INDEX ?=
JOBS ?= 1

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PIP := .venv/bin/python -m pip --quiet --disable-pip-version-check
# dvc.yaml says `python`: that must be .venv's, whatever is or is not activated
IN_VENV := PATH="$$PWD/.venv/bin:$$PATH"

# what an activated environment or a user's profile could slip between us and .venv
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH PYTHONSAFEPATH PIP_USER PIP_TARGET PIP_PREFIX

.DEFAULT_GOAL := help
.PHONY: help run test check browser set-up bench trials lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

run: .venv/run.stamp ## run what is stale of the pipeline, then print what came out
	@export $(IN_VENV); $(if $(filter 1,$(JOBS)),.venv/bin/python -m dvc repro,$(side_by_side))
	@.venv/bin/python -m commands.summary

test: check ## every check: those of `make check`, then the whole pipeline on a small source (minutes)
	@$(IN_VENV) .venv/bin/python -m pytest -m slow -n 2 --dist loadgroup --no-loadscope-reorder -rfEs

check: .venv/dev.stamp ## lint, format, types and the fast tests
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/python -m mypy
	@$(IN_VENV) .venv/bin/python -m pytest -n 2 --dist worksteal

browser: .venv/dev.stamp ## try the page of errors in a real browser, where there is one (`make test` does too)
	@.venv/bin/python -m pytest tests/test_browser.py -m slow -n 2 -rfEs

set-up: .venv/dev.stamp ## install all of it into .venv, as every target does that needs it

bench: .venv/dev.stamp ## measure it all beside its peers and write bench/RESULTS.md (some: make bench ROWS="cleaning words")
	@$(IN_VENV) .venv/bin/python -m bench $(ROWS)

trials: .venv/dev.stamp ## how often intervals and gate err, on data whose truth is known (an hour; docs/decisions/intervals.md)
	@$(IN_VENV) .venv/bin/python -m bench.coverage
	@$(IN_VENV) .venv/bin/python -m bench.gate

lock: .venv/dev.stamp ## resolve pyproject.toml into requirements.lock (newer versions: make lock LOCK=--upgrade)
	@.venv/bin/python -m uv pip compile --quiet --universal --python-version 3.11 --group dev \
		--no-annotate --no-header $(LOCK) --output-file requirements.lock

clean: ## remove .venv, tools' caches, checkpoints and searches; outputs and DVC's cache stay (`dvc gc -w` thins the cache)
	rm -rf .venv .textrail .pytest_cache .mypy_cache .ruff_cache
	find bench commands stages tests -name __pycache__ -prune -exec rm -rf {} +

# An install takes pip.stamp away while it lasts, so one that was cut short starts again from an empty .venv:
# pip cannot tell a package that is half there from a whole one.
.venv/pip.stamp:
	@rm -rf .venv
	@for python in $(PYTHON); do \
		if "$$python" -c '$(SUPPORTED)' 2>/dev/null; then exec "$$python" -m venv .venv; fi; done; \
		echo "textrail needs Python 3.11, 3.12 or 3.13; looked for: $(PYTHON)." >&2; \
		echo "Install one, or name it: make run PYTHON=/path/to/python3.11" >&2; exit 1
	@$(PIP) install pip==26.1
	@touch $@

.venv/run.stamp: .venv/pip.stamp pyproject.toml requirements.lock
	@echo "installing into .venv (versions: requirements.lock)"
	@rm -f .venv/pip.stamp
	@$(call install,run)
	@touch .venv/pip.stamp $@

.venv/dev.stamp: .venv/pip.stamp pyproject.toml requirements.lock
	@echo "installing into .venv, with what the checks need (versions: requirements.lock)"
	@rm -f .venv/pip.stamp
	@$(call install,dev)
	@touch .venv/pip.stamp .venv/run.stamp $@

# The lock constrains and does not require: it names every platform's packages, gigabytes of CUDA among them.
# PyTorch's own index holds the build, and not the versions that the lock wants of everything else: --no-deps.
define install
$(if $(TORCH_INDEX),$(PIP) install --no-deps --index-url "$(TORCH_INDEX)" -c requirements.lock torch &&) \
	$(PIP) install --group $(1) -c requirements.lock
endef

# DVC's graph as a makefile, which make runs: a line of a node makes a rule, one of an edge its prerequisite.
define side_by_side
.venv/bin/python -m dvc dag --dot | awk -F '"' \
	'NF == 3 { printf ".PHONY: %s\nall: %s\n%s:\n\t@python -m dvc --wait-for-lock repro --single-item %s\n", \
		$$2, $$2, $$2, $$2 } \
	NF == 5 { printf "%s: %s\n", $$4, $$2 }' | $(MAKE) --no-print-directory -f - -j $(JOBS) all
endef
