# Winnower's everyday commands. Each one makes what it needs first, in .venv of this checkout.
#
# Rules of this file
#     - `make demo` and `make test` work as the first command typed in a fresh clone.
#     - Everything installed is pinned by hash in a lock file; the project itself is installed editable, without dependencies.
#     - Two stamps: a demo pays for the runtime libraries only. Nothing outside the checkout is changed, but for python3-venv on Debian as root.

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: demo test lint fuzz live lkm-test testbed faults oracle peers lock clean help

PYTHON ?=
ARGS ?=
TRANSPORT ?= http
FUZZ ?= tests
PIPTOOLS := pip-tools==7.6.2
VENV := .venv
BIN := $(VENV)/bin
APT := DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

demo: $(VENV)/.runtime ## replay the shipped recording: what happened, the alert and its trace (ARGS="--state S" keeps its state)
	@$(BIN)/winnower demo $(ARGS)

test: $(VENV)/.dev ## all tests on two cores (ARGS='-k name' to choose)
	@echo "test: pytest"
	@$(BIN)/pytest -n 2 $(ARGS)

lint: $(VENV)/.dev ## ruff, format, mypy --strict, import rules, sizes; every check runs, whatever the others say
	@bad=; \
	check() { echo "lint: $$1"; shift; out=$$("$$@" 2>&1) || { echo "$$out"; bad=yes; }; }; \
	check "ruff check" $(BIN)/ruff check --quiet --output-format=concise .; \
	check "ruff format" $(BIN)/ruff format --check --quiet --diff .; \
	check "mypy --strict" $(BIN)/mypy; \
	check "import rules" $(BIN)/lint-imports; \
	check "sizes" $(BIN)/pytest tests/test_rooms.py; \
	if [ -n "$$bad" ]; then echo "lint: failed"; exit 1; fi; \
	echo "lint: clean"

fuzz: $(VENV)/.dev ## every property test with 10,000 examples (FUZZ=tests/agent to choose), then 60 s of fuzzing the parser
	@echo "fuzz: properties below $(FUZZ), 10,000 examples each"
	@$(BIN)/pytest -n 2 -m hypothesis --hypothesis-profile=nightly --timeout=0 $(FUZZ) $(ARGS)
	@$(BIN)/python tests/fuzz/fuzz_events.py --seconds 60

live: $(VENV)/.kafka ## real auditd, real containers, an attack, its alert (root; TRANSPORT=kafka through a real Apache Kafka)
	@$(BIN)/python bench/live_demo.py --transport $(TRANSPORT) $(ARGS)

lkm-test: ## boot two Debian kernels in QEMU and test the kernel module in them (5 minutes with the downloads)
	@$(MAKE) --no-print-directory -C lkm test $(ARGS)

testbed: $(VENV)/.dev ## fetch what tests and benches with real parts want: packages (root), an image, Kafka; kept in .testbed
	@$(BIN)/python bench/testbed/fetch.py

faults: $(VENV)/.dev ## the fault suite in full: kill -9, full disks, cut networks, forged envelopes (half an hour or more)
	@$(BIN)/pytest tests/faults --faults=long --timeout=0 $(ARGS)

oracle: ## the static engine against angr, in an environment of its own (.venv-static: two minutes, 1 GB)
	@$(MAKE) --no-print-directory VENV=.venv-static .venv-static/.static
	@echo "oracle: pytest tests/agent/static"
	@.venv-static/bin/pytest -n 2 tests/agent/static $(ARGS)

peers: $(VENV)/.dev ## other Cypher engines, in an environment of their own (.venv-peers), for bench/tck.py --peers and bench/queries.py
	@$(BIN)/python bench/testbed/peers.py

lock: $(BIN)/pip ## write both lock files again from pyproject.toml (ARGS=--upgrade for newer versions)
	@echo "lock: $(PIPTOOLS)" && $(BIN)/pip install -q $(PIPTOOLS)
	@echo "lock: requirements.lock" && $(call compile,requirements.lock,)
	@echo "lock: requirements-kafka.lock" && $(call compile,requirements-kafka.lock,--extra kafka -c requirements.lock)
	@echo "lock: requirements-dev.lock" && $(call compile,requirements-dev.lock,--extra dev -c requirements.lock)
	@echo "lock: requirements-static.lock" && $(call compile,requirements-static.lock,--extra static --extra dev)

clean: ## remove .venv, .testbed, build output and every cache
	@rm -rf $(VENV) .venv-static .venv-peers .testbed build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

compile = env -u PIP_FIND_LINKS CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile -q --generate-hashes --strip-extras \
	--allow-unsafe --no-emit-index-url --no-emit-find-links --build-deps-for editable $(2) $(ARGS) -o $(1) pyproject.toml

define install
	@echo "setup: installing $< into $(VENV)"
	@$(BIN)/pip install -q --prefer-binary --require-hashes -r $<
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@
endef

$(VENV)/.runtime: requirements.lock pyproject.toml $(BIN)/pip
	$(install)

$(VENV)/.kafka: requirements-kafka.lock pyproject.toml $(BIN)/pip
	$(install)

$(VENV)/.static: requirements-static.lock pyproject.toml $(BIN)/pip
	$(install)

$(VENV)/.dev: requirements-dev.lock pyproject.toml $(BIN)/pip
	$(install)

# A Python of 3.11 or newer, then its environment. Debian ships Python without ensurepip: python3-venv brings it.
$(BIN)/pip:
	@find_python() { \
	    for c in $(PYTHON) python3 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	        if $$c -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	            if [ "$$1" = any ] || $$c -c 'import ensurepip, venv' 2>/dev/null; then echo $$c; return; fi; \
	        fi; \
	    done; \
	}; \
	python=$$(find_python whole); \
	if [ -z "$$python" ] && command -v apt-get >/dev/null; then \
	    if [ "$$(id -u)" != 0 ]; then echo "setup: first run: sudo apt-get install python3-venv" >&2; exit 1; fi; \
	    echo "setup: apt-get install python3-venv"; \
	    { $(APT) update && $(APT) install -y --no-install-recommends python3-venv; } >/dev/null </dev/null; \
	    python=$$(find_python whole); \
	fi; \
	if [ -z "$$python" ]; then echo "setup: needs Python 3.11 or newer with venv; name one: make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	echo "setup: $(VENV) from $$($$python -V)"; \
	$$python -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }
