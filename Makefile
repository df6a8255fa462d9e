# Two commands for newcomers: `make demo` and `make test`. Both do all the set-up there is.
PYTHON ?= python3
BIN := .venv/bin
# Lab tests by the host that they change.
LAB_GROUPS := test-lab-mx1 test-lab-postal1 test-lab-postal3 test-lab-postal2

.PHONY: setup demo lab-images lab-base test test-code test-lab $(LAB_GROUPS) test-email-api check release lab down docs recording lock clean

setup: .venv/ready

demo: .venv/ready
	$(BIN)/mailfleet lab up --install-engine --no-images
	$(BIN)/mailfleet secrets init inventories/lab.py
	$(MAKE) --jobs=2 lab-images lab-base
	$(BIN)/pyinfra -y --no-wait inventories/lab.py deploys/site.py
	$(BIN)/mailfleet health inventories/lab.py
	$(BIN)/mailfleet lab mail
	$(BIN)/mailfleet lab guide

# What needs no image is deployed while images are built.
lab-images:
	$(BIN)/mailfleet lab images

lab-base:
	$(BIN)/pyinfra -y --no-wait inventories/lab.py deploys/base.py

# The hosts are waited for most of the time; what needs none runs meanwhile.
test: .venv/ready .venv/test-tools $(BIN)/promtool
	$(MAKE) --jobs=2 test-lab test-code

# Each host's tests beside those of the others; then what changes several hosts.
test-lab: .venv/ready
	$(BIN)/mailfleet lab up --install-engine --no-images --extra 1
	$(BIN)/mailfleet secrets init inventories/lab.py
	$(BIN)/mailfleet lab images --tests
	$(MAKE) --jobs=4 --keep-going $(LAB_GROUPS)
	$(BIN)/pytest tests/lab/fleet tests/lab/test_journals.py

$(LAB_GROUPS): test-lab-%:
	$(BIN)/pytest tests/lab/$*

test-code: check test-email-api
	$(BIN)/pytest -q tests/unit tests/accept
	$(MAKE) docs

# The e-mail API is a package of its own, with its own dependencies, on a real MariaDB and Redis.
test-email-api: files/email-api/.venv/ready
	cd files/email-api && $(BIN)/mypy && $(BIN)/pytest

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	grep -rlE --exclude-dir=.venv '^#!/bin/(ba)?sh|^# shellcheck shell=' files mailfleet | xargs $(BIN)/shellcheck
	$(BIN)/typos
	$(BIN)/towncrier build --draft --version next >/dev/null

# RELEASE.md says what comes before and after.
fail = { echo 'make release: $(1)' >&2; exit 1; }

release:
	@printf %s '$(VERSION)' | grep -Eqx '[0-9]+\.[0-9]+\.[0-9]+' || $(call fail,give a version: make release VERSION=x.y.z)
	@[ "$$(git branch --show-current)" = main ] || $(call fail,switch to the branch main)
	@[ -z "$$(git status --porcelain)" ] || $(call fail,commit or remove what git status shows)
	@! git rev-parse -q --verify 'refs/tags/v$(VERSION)' >/dev/null || $(call fail,the tag v$(VERSION) exists)
	@grep -Fqx 'version = "$(VERSION)"' pyproject.toml || $(call fail,set version = "$(VERSION)" in pyproject.toml)
	@grep -Eq '^## \[$(VERSION)\] - [0-9]{4}-' CHANGELOG.md || $(call fail,CHANGELOG.md has no dated section $(VERSION): run towncrier build)
	@[ "$$(ls changelog.d)" = README.md ] || $(call fail,changelog.d has fragments that are not in CHANGELOG.md: run towncrier build)
	$(MAKE) check
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	git tag --annotate 'v$(VERSION)' --message 'mailfleet $(VERSION)'
	@echo; echo 'Tagged v$(VERSION). Now publish it (RELEASE.md): git push --atomic origin main v$(VERSION)'

docs: .venv/ready
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict

# On a lab that `make demo` deployed. Changes nothing there.
recording: .venv/ready
	$(BIN)/python docs/record.py

lab: .venv/ready
	$(BIN)/mailfleet lab up --install-engine

down:
	$(BIN)/mailfleet lab down

# What the project needs from Debian: venv, the age tool that operators use, ssh for `lab ssh`, and
# Ruby, whose reading of YAML is what Postal sees.
# editable_mode=compat puts the checkout itself on the path: the lab is no part of the package.
.venv/ready: requirements.lock pyproject.toml
	@command -v age >/dev/null && command -v ssh >/dev/null && command -v ruby >/dev/null && $(PYTHON) -c 'import ensurepip' \
		|| { [ "$$(id -u)" = 0 ] || { echo "install python3-venv, age, openssh-client and ruby, or run make as root" >&2; exit 1; }; \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-venv age openssh-client ruby ca-certificates; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@touch $@

# Programs that tests run on files and ports of their own, and a browser for the pages. Where
# systemd runs, Debian also starts MariaDB, Redis, Knot and Unbound as services.
TEST_PACKAGES := mariadb-server redis-server knot unbound bind9-utils chromium chromium-driver

.venv/test-tools: .venv/ready
	@for tool in mariadbd redis-server knotd unbound named-checkzone chromedriver; do command -v $$tool || command -v /usr/sbin/$$tool || missing=1; done >/dev/null; \
		[ -z "$$missing" ] || { [ "$$(id -u)" = 0 ] || { echo "install $(TEST_PACKAGES), or run make as root" >&2; exit 1; }; \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(TEST_PACKAGES); }
	@touch $@

# Out of Debian's package, without the Prometheus that the package would start.
$(BIN)/promtool: .venv/ready
	@cd .venv && { apt-get download -qq prometheus || { apt-get update -q && apt-get download -qq prometheus; }; } 2>/dev/null \
		&& dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x -m --strip-components=3 -C bin ./usr/bin/promtool; \
		code=$$?; rm -f prometheus_*.deb; exit $$code

# The first import compiles what is used: less work than compiling every module of 60 packages.
API_PIP := $(BIN)/pip --python files/email-api/.venv/bin/python install -q --disable-pip-version-check
files/email-api/.venv/ready: .venv/test-tools files/email-api/requirements.lock files/email-api/pyproject.toml
	$(PYTHON) -m venv --without-pip files/email-api/.venv
	$(API_PIP) --no-compile --require-hashes -r files/email-api/requirements.lock
	$(API_PIP) --no-deps --no-build-isolation -e files/email-api
	@touch $@

# Pins every dependency by hash; needs uv.
lock:
	cd files/email-api && uv pip compile -q pyproject.toml --group dev --generate-hashes \
		--no-emit-index-url --no-header --python-version 3.11 -o requirements.lock
	cd files/email-api && uv pip compile -q pyproject.toml --generate-hashes \
		--no-emit-index-url --no-header --python-version 3.13 -o requirements-image.lock
	uv pip compile -q pyproject.toml --all-extras --group dev --generate-hashes \
		--no-emit-index-url --no-header --python-version 3.11 -o requirements.lock

clean:
	rm -rf .venv files/email-api/.venv
