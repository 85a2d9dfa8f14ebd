# The project's commands. `make help` lists them. Each does the set-up it needs, and skips it when nothing changed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
OPEN ?= 1
BENCH ?= --quick
PYTEST_ARGS ?=
# Processes that the Python tests are shared among: one per core, at most four.
TEST_JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$(( n < 4 ? n : 4 )))
PYTEST_XDIST := -n $(TEST_JOBS) --dist worksteal

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD := 1
export PYTHONUTF8 := 1
unexport MLOPS_WORKSPACE
# Compiled once, not by each of a test run's hundreds of kernels and servers.
unexport PYTHONDONTWRITEBYTECODE

STAMPS := .make
FRONT_SOURCES := $(shell find src style schema -type f 2>/dev/null) package.json tsconfig.json install.json
AREAS := $(sort $(filter-out __pycache__,$(notdir $(patsubst %/,%,$(wildcard tests/*/)))))

.PHONY: help demo lab test test-py test-ts test-ui test-wheel lint types bench bench-peers docs format api setup setup-dev \
	setup-system wheel clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'
	@echo "  Parts of the Python tests: make test-py PYTEST_ARGS='tests/<area>' with <area> one of:"
	@echo "    $(AREAS)"

# -- set-up --------------------------------------------------------------------------------------------------------

# One pip call brings torch alone, so that its CPU build is taken where one is at hand; then uv resolves the rest.
define install
	@echo "Installing Python packages ($(1)) …"
	@mkdir -p $(STAMPS)
	@test -x .venv/bin/python || $(PYTHON) scripts/make_venv.py
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv $$(grep '^torch==' constraints.txt) > $(STAMPS)/pip.log 2>&1 \
		|| { tail -n 40 $(STAMPS)/pip.log; exit 1; }
	@.venv/bin/python -m uv pip install --quiet --compile-bytecode --python .venv/bin/python -r pyproject.toml $(foreach extra,$(1),--extra $(extra)) -c constraints.txt \
		|| .venv/bin/python -m pip install --quiet -c constraints.txt $$(.venv/bin/python scripts/requirements.py $(1))
	@touch $@
endef

$(STAMPS)/python: pyproject.toml constraints.txt
	$(call install,example build)

$(STAMPS)/python-dev: pyproject.toml constraints.txt
	$(call install,dev)
	@touch $(STAMPS)/python

# Node from the machine where it is new enough, else from PyPI.
$(STAMPS)/node: package-lock.json .npmrc | $(STAMPS)/python
	@.venv/bin/python scripts/ensure_node.py
	@echo "Installing front-end packages …"
	@npm ci --no-progress > $(STAMPS)/npm.log 2>&1 || { tail -n 40 $(STAMPS)/npm.log; exit 1; }
	@touch $@

$(STAMPS)/front: $(FRONT_SOURCES) $(STAMPS)/node
	@echo "Building the front end …"
	@npm run --silent build:prod > $(STAMPS)/front.log 2>&1 || { tail -n 60 $(STAMPS)/front.log; exit 1; }
	@touch $@

# The package itself, editable, with its labextension and server extension linked into the environment.
$(STAMPS)/package: pyproject.toml jupyter-config/server-config/jupyter_mlops.json $(STAMPS)/front
	@HATCH_JUPYTER_BUILDER_SKIP_NPM=1 .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e . \
		> $(STAMPS)/package.log 2>&1 || { tail -n 40 $(STAMPS)/package.log; exit 1; }
	@jupyter-builder develop --overwrite . >> $(STAMPS)/package.log 2>&1 || { tail -n 40 $(STAMPS)/package.log; exit 1; }
	@touch $@

setup: $(STAMPS)/python $(STAMPS)/package ## Set up .venv with the product and the example
setup-dev: $(STAMPS)/python-dev $(STAMPS)/package ## Set up .venv with everything for development

setup-system: ## Install what tests need from the system: Chromium, fonts, PostgreSQL, git
	@bash scripts/system_packages.sh

# -- use it --------------------------------------------------------------------------------------------------------

demo: setup ## Run the flights story from notebook to prediction, then open JupyterLab on it (OPEN=0: don't open)
	@.venv/bin/python scripts/demo.py $(if $(filter 0,$(OPEN)),--no-open)

lab: setup ## Open JupyterLab on a workspace without running anything
	@.venv/bin/python scripts/demo.py --lab

# -- check it ------------------------------------------------------------------------------------------------------

test: setup-system setup-dev ## Run everything: lint, types, Python, TypeScript, contract, docs, wheel, browser
	@bash scripts/test_all.sh

test-py: setup-dev ## Run the Python tests (PYTEST_ARGS=… for a part, TEST_JOBS=1 one after the other)
	@.venv/bin/python -m pytest $(PYTEST_XDIST) $(PYTEST_ARGS)

test-ts: setup-dev ## Run the TypeScript unit tests
	@npm test --silent

test-ui: setup-system setup-dev ## Run the browser tests; screenshots are left in ui-tests/out/
	@npm run --silent test:ui

test-wheel: setup-dev ## Build the wheel, install it in a clean environment without node, check that Jupyter sees it
	@.venv/bin/python scripts/check_wheel.py

lint: setup-dev ## Check style: ruff, import contracts, ESLint, prettier, stylelint
	@ruff check . && ruff format --check . && lint-imports --no-logo 2>&1 | tail -n 15
	@npm run --silent lint

types: setup-dev ## Check types: mypy strict, TypeScript strict, generated API types
	@mypy
	@npm run --silent types:check

docs: setup-dev ## Build the documentation into docs/_build/html, warnings are errors
	@sphinx-build -q -W --keep-going -b html docs docs/_build/html && python docs/check_links.py && echo "docs/_build/html/index.html"

bench: setup-dev ## Run the benchmarks and write the tables of benchmarks/README.md (BENCH= for the long form)
	@.venv/bin/python benchmarks/run_all.py $(BENCH)

bench-peers: ## Install the programs that benchmarks compare with, each in an environment of its own
	@$(PYTHON) benchmarks/peers.py

api: setup-dev ## Write openapi.json and the TypeScript types from the routes
	@.venv/bin/python -m jupyter_mlops.extension.openapi > openapi.json.new && mv openapi.json.new openapi.json
	@npm run --silent types:api

format: setup-dev ## Format all code
	@ruff check --fix . ; ruff format . ; npx prettier --write --log-level warn . ; npx eslint --fix . ; npx stylelint --fix "style/**/*.css"

wheel: setup-dev ## Build the wheel and the source distribution into dist/
	@rm -rf dist jupyter_mlops/labextension/install.json && HATCH_JUPYTER_BUILDER_SKIP_NPM=1 .venv/bin/python -m build --no-isolation > $(STAMPS)/wheel.log 2>&1 \
		|| { tail -n 40 $(STAMPS)/wheel.log; exit 1; }
	@ls dist

clean: ## Remove everything that was built or installed
	rm -rf .venv $(STAMPS) node_modules lib dist build demo jupyter_mlops/labextension jupyter_mlops/_version.py docs/_build
