# Every target installs what it needs into $(VENV), once, with the tested versions of
# requirements/constraints.txt. A machine needs Python 3.10 to 3.12, make and bash; no compiler.
#
#   make PYTHON=/path/to/python3.12 VENV=/tmp/env test ARGS='-k pos_embed'
#
# `make planted` plants the mistakes of tests/planted/lists, one at a time, into a copy of the tree
# and checks that the test named for each fails; ARGS='optim lars' selects the mistakes whose file,
# line or test contains all of these words. It is not part of `make test`.
#
# The complete suite runs in one process per core, at most four (1.5 GB each); WORKERS=2 sets another
# number. A selection, by -k or a path, runs in a single process, because each process first spends
# 15 seconds importing the frameworks.

VENV ?= .venv
PYTHON ?=
ARGS ?=
WORKERS ?= $(if $(filter -k% tests/%,$(ARGS)),0,auto)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo demo-cae study test planted reliability lint doctor clean clean-env

RUN := $(VENV)/bin/python
CONSTRAINTS := requirements/constraints.txt
PIP_INSTALL := $(RUN) -m pip install --no-input --disable-pip-version-check --progress-bar off \
	--constraint $(CONSTRAINTS)

# A command that exists may not run (version managers install such shims), so each one is tried.
CANDIDATES := $(or $(PYTHON),python3.11 python3.12 python3.10 python3 python)
IN_RANGE := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))

# Print each package once; errors and warnings are not filtered.
SHORTEN := while IFS= read -r line; do case "$$line" in \
	'Collecting '*) set -- $$line; echo "    $$2" ;; \
	'Installing collected'*) echo '    unpacking: takes a few minutes, as torch is large' ;; \
	'Successfully installed'*) echo '    done' ;; \
	esac; done

help:
	@echo 'make demo     pre-train MAE, transfer to both tasks, compare with random weights (about 10 minutes)'
	@echo 'make demo-cae the same for CAE: tokenizer, pre-training, both tasks (about 25 minutes)'
	@echo 'make study    the same for MAE with longer pre-training and three seeds (about an hour)'
	@echo 'make test     all tests, including slow ones; ARGS=... is passed to pytest'
	@echo 'make planted  plant mistakes in a copy and check that tests fail; ARGS=... selects by words'
	@echo 'make reliability  kill, stop, spoil and resume runs, and print tables (about 40 minutes)'
	@echo 'make lint     ruff, codespell and mypy'
	@echo 'make doctor   report what is installed and whether it works'
	@echo 'make clean    remove caches and build folders; clean-env removes $(VENV)'

demo: $(VENV)/.installed-demo
	$(RUN) tools/demo.py $(ARGS)

demo-cae: $(VENV)/.installed-demo
	$(RUN) tools/demo.py --method cae $(ARGS)

study: $(VENV)/.installed-demo
	$(RUN) tools/demo.py --method mae-long --seeds 3 $(ARGS)

test: $(VENV)/.installed-tests
	$(RUN) -m pytest --runslow --numprocesses $(WORKERS) --maxprocesses 4 --dist loadfile \
		--no-loadscope-reorder $(ARGS)

planted: $(VENV)/.installed-tests
	$(RUN) -m tests.planted $(ARGS)

reliability: $(VENV)/.installed-tests
	@failed=; for script in $(filter-out %/checkout.py,$(wildcard benchmarks/reliability/*.py)); do \
		echo "== $$script"; $(RUN) "$$script" || failed="$$failed $$script"; \
	done; \
	if [ -n "$$failed" ]; then echo "not all good:$$failed" >&2; exit 1; fi

lint: $(VENV)/.installed-lint
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/codespell
	$(RUN) -m mypy

doctor: $(VENV)/.installed-demo
	$(RUN) tools/doctor.py $(ARGS)

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find mae_transfer tools tests configs -name __pycache__ -prune -exec rm -rf {} +

clean-env:
	@if [ -f '$(VENV)/pyvenv.cfg' ]; then rm -rf '$(VENV)' && echo 'removed $(VENV)'; fi

# A stamp marks a finished install: a failed install leaves none and is run again.
$(VENV)/.created:
	@found=; bare=; \
	for candidate in $(CANDIDATES); do \
		"$$candidate" -c '$(IN_RANGE)' 2>/dev/null || continue; \
		if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then found=$$candidate; break; fi; \
		bare=$${bare:-$$candidate}; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
		echo "$$bare cannot create environments, because its ensurepip is missing:" \
			'install python3-venv (Debian, Ubuntu: apt-get install python3-venv)' \
			'or use another Python: make PYTHON=/path/to/python3.11' >&2; exit 1; \
	elif [ -z "$$found" ]; then \
		echo 'No working Python 3.10 to 3.12 among: $(CANDIDATES).' \
			'Set one: make PYTHON=/path/to/python3.11' >&2; exit 1; \
	fi; \
	echo "Creating $(VENV) with $$("$$found" --version) ($$found)"; \
	"$$found" -m venv '$(VENV)'
	@touch $@

$(VENV)/.installed-demo: $(VENV)/.created setup.py requirements/runtime.txt $(CONSTRAINTS)
	@echo 'Installing mae_transfer and its requirements into $(VENV):'
	@$(PIP_INSTALL) --editable . | { $(SHORTEN); }
	@touch $@

$(VENV)/.installed-tests: $(VENV)/.installed-demo requirements/tests.txt
	@echo 'Installing the test requirements into $(VENV):'
	@$(PIP_INSTALL) --requirement requirements/tests.txt | { $(SHORTEN); }
	@touch $@

# mypy reads the types of the runtime packages.
$(VENV)/.installed-lint: $(VENV)/.installed-demo requirements/lint.txt
	@echo 'Installing the lint tools into $(VENV):'
	@$(PIP_INSTALL) --requirement requirements/lint.txt | { $(SHORTEN); }
	@touch $@
