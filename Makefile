# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

INVENTORY ?= inventory
OUTPUT ?= security-report.json
FAIL_ON ?= none
ARGS ?=

BIN := $(CURDIR)/.venv/bin
CACHE := $(CURDIR)/.cache
# Ansible wants UTF-8 and a home that it can write to; a bare environment offers neither.
ifneq ($(shell locale charmap 2>/dev/null),UTF-8)
export LC_ALL := C.UTF-8
endif
ifneq ($(shell test -n "$$HOME" -a -d "$$HOME" -a -w "$$HOME" && echo usable),usable)
export HOME := $(CACHE)/home
$(shell mkdir -p "$(CACHE)/home")
endif

# What the tests leave behind stays inside the checkout; sockets need a short path, one for each checkout.
CHECKOUT := $(shell pwd -P | sha256sum | cut -c1-8)
SOCKETS := /tmp/nself-prod-$(CHECKOUT)
TEST_ENV := env PATH="$(BIN):$(PATH)" ANSIBLE_HOME=$(CACHE)/ansible ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/playbooks/collections \
	ANSIBLE_SSH_CONTROL_PATH_DIR=$(SOCKETS) NSELF_PROD_CHECKOUT=$(CHECKOUT) NO_COLOR=1
SCENARIOS := check stack harden deployment lockout lockdown consumer
STEPS := lint unit targets docs build sanity $(SCENARIOS:%=molecule-%)

.PHONY: help
help:
	@echo 'make audit    audit the hosts of $(INVENTORY) into $(OUTPUT)'
	@echo '              (INVENTORY=…, FAIL_ON=none|critical|warning, OUTPUT=FILE, ARGS="-e nself_check_verbose=true")'
	@echo 'make test     everything below but bench and proof; the Docker engine too, where none answers'
	@echo 'make lint     ruff, mypy, ansible-lint, changelog'
	@echo 'make unit     unit tests'
	@echo 'make targets  unit tests of what runs on hosts, with the oldest Python at hand'
	@echo 'make docs     the documentation of the modules is in order'
	@echo 'make checks-page  write docs/checks.md anew from the checks'
	@echo 'make roles-pages  write the tables of variables in roles/*/README.md anew from their argument_specs'
	@echo 'make build    the artifact builds, installs offline and runs'
	@echo 'make sanity   ansible-test sanity on the installed artifact'
	@echo 'make molecule the scenarios on real test hosts (needs a Docker engine)'
	@echo 'make stack    bring up the hosts with a whole deployment, audit them and keep them (make stack-down removes them)'
	@echo 'make truth    break one thing after the other on a live host, ask other tools about it, write docs/truth.md (half an hour)'
	@echo 'make lockout-page  inject every fault into guarded runs over SSH, write docs/lockout.md of what became of them (a quarter of an hour)'
	@echo 'make stack-faults-page  inject every fault into the hardening of a deployment, write docs/deployment-faults.md (an hour)'
	@echo 'make loop     break one thing after the other on a hardened host, have the roles mend it, write docs/closed-loop.md (two hours)'
	@echo 'make bench    one audit, and a second hardening, beside ping and Lynis, in one run'
	@echo 'make proof    everything, with every Python at hand, the proof of truth and the benchmark'

.PHONY: audit
audit:
	@tests/tools/venv requirements.txt
	@$(BIN)/ansible-playbook playbooks/check.yml -i $(INVENTORY) -e nself_check_output=$(OUTPUT) -e nself_check_fail_on=$(FAIL_ON) $(ARGS)

.PHONY: test-venv
test-venv:
	@tests/tools/venv requirements.txt
	@tests/tools/venv requirements-test.txt

.PHONY: test
test: test-venv engine
	@tests/tools/run-steps $(STEPS)

.PHONY: lint
lint: test-venv
	$(BIN)/ruff check .
	MYPYPATH=playbooks/collections $(BIN)/mypy --config-file tests/tools/mypy.ini -p ansible_collections.nself.prod.plugins
	@$(TEST_ENV) $(BIN)/ansible-lint --offline
	$(BIN)/antsibull-changelog lint

.PHONY: unit
unit: test-venv
	$(BIN)/python -m pytest tests/unit

.PHONY: targets
targets: test-venv
	@tests/tools/targets $(if $(NSELF_PROD_PROOF),all)

.PHONY: docs
docs: test-venv
	@mkdir -p $(CACHE)/home
	@$(TEST_ENV) HOME=$(CACHE)/home $(BIN)/antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .

.PHONY: checks-page
checks-page: test-venv
	$(BIN)/python tests/tools/checks_page.py --write

.PHONY: roles-pages
roles-pages: test-venv
	$(BIN)/python tests/tools/roles_pages.py --write

.PHONY: build
build: test-venv
	@$(TEST_ENV) $(BIN)/python -m pytest tests/artifact

.PHONY: sanity
sanity: test-venv
	tests/tools/sanity

.PHONY: engine
engine:
	@tests/hosts/engine

.PHONY: images
images: engine
	@tests/hosts/build-images

MOLECULE = $(TEST_ENV) MOLECULE_EPHEMERAL_DIRECTORY=$(CACHE)/molecule/$(1) $(BIN)/molecule $(2) -s $(1)

.PHONY: molecule
molecule: $(SCENARIOS:%=molecule-%)

.PHONY: $(SCENARIOS:%=molecule-%)
$(SCENARIOS:%=molecule-%): molecule-%: test-venv images
	@mkdir -p -m 0700 $(SOCKETS)
	@$(call MOLECULE,$*,test)

.PHONY: stack
stack: test-venv images
	@mkdir -p -m 0700 $(SOCKETS)
	@$(call MOLECULE,stack,converge)
	@echo
	@echo 'root shell:    docker exec -it nself-prod-$(CHECKOUT)-stack bash   (the demo project; the mended one: …-good)'
	@echo 'over SSH:      ssh -F none -i $(CACHE)/molecule/stack/id_ed25519 -o UserKnownHostsFile=$(CACHE)/molecule/stack/known_hosts deploy@ADDRESS'
	@sed -n 's/^- instance: /               /p; s/^  address: /                 ADDRESS /p' $(CACHE)/molecule/stack/instance_config.yml
	@echo 'its report:    $(CACHE)/molecule/stack/report.json'

.PHONY: stack-down
stack-down: test-venv
	@$(call MOLECULE,stack,destroy)

.PHONY: truth
truth: test-venv images
	@mkdir -p -m 0700 $(SOCKETS)
	@$(TEST_ENV) MOLECULE_EPHEMERAL_DIRECTORY=$(CACHE)/molecule/stack tests/truth/all

.PHONY: lockout-page
lockout-page: test-venv images
	@mkdir -p -m 0700 $(SOCKETS)
	@NSELF_PROD_PROOF=1 $(call MOLECULE,lockout,test)
	$(BIN)/python tests/lockout/page.py $(CACHE)/lockout/results.json

.PHONY: stack-faults-page
stack-faults-page: test-venv images
	@mkdir -p -m 0700 $(SOCKETS)
	@$(TEST_ENV) MOLECULE_EPHEMERAL_DIRECTORY=$(CACHE)/molecule/deployment tests/stackfaults/all

.PHONY: loop
loop: test-venv images
	@mkdir -p -m 0700 $(SOCKETS)
	@$(TEST_ENV) MOLECULE_EPHEMERAL_DIRECTORY=$(CACHE)/molecule/stack tests/truth/close

.PHONY: bench
bench: test-venv images
	mkdir -p -m 0700 $(SOCKETS)
	@$(TEST_ENV) $(BIN)/python tests/bench/bench.py

.PHONY: proof
proof: test-venv engine
	@NSELF_PROD_PROOF=1 tests/tools/run-steps $(STEPS) truth lockout-page stack-faults-page loop bench

.PHONY: clean
clean:
	rm -rf .venv .cache .ansible dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
