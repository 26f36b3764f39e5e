# The boot tests of the module, of lkm/Makefile: real Debian kernels in QEMU (boot/__init__.py says how).
#
# Rules of this file
#     - Nothing is loaded into this machine's kernel. What is downloaded is kept in .testbed/kernels of the checkout.
#     - Run as root they install the tools that are missing, and say so; as somebody else they say what to type.
#       clang and libbpf-dev, for the eBPF twin, only for `test`: who has not got them has the rest of it.

.PHONY: test test-short test-fetch test-debug bench

PYTHON ?= python3
BOOT := cd $(CURDIR) && PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m boot

test: ## boot two kernels, 9 guests: module, agent, eBPF twin (2 minutes; 5 the first time, with downloads)
	@$(BOOT) test $(ARGS)

test-short: ## the part that takes a minute: 3 guests, without the twin and the agent
	@$(BOOT) short $(ARGS)

test-fetch: ## only fetch and build what the tests need
	@$(BOOT) fetch $(ARGS)

test-debug: ## the checks on a kernel with KASAN and lockdep, built from Debian's source (half an hour, then minutes)
	@$(BOOT) debug $(ARGS)

bench: ## what a write costs with the module, as ratios
	@$(BOOT) bench $(ARGS)
