# Every target is one habit; `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

CACHE := $(CURDIR)/.cache
SKIPPED := $(CURDIR)/target/skipped-tests.txt
FUZZ_CASES ?= 20000
MINUTES ?= 5
SEED ?= 1
TICKS ?= 200000000
BACKLOG ?= 5000000
SEEDS ?= 1000
FIRST ?= 0
# Where `make broker` and `make alertmanager` listen; theirs, where it is empty.
PORT ?=

# What the tests are told about the machine; each may be set from outside.
export ROTATION_KAFKA_LIBS ?= $(CACHE)/kafka/libs
export ROTATION_PYTHON ?= $(CACHE)/python/bin/python
export PROMETHEUS ?= $(or $(shell command -v prometheus),$(CACHE)/prometheus/usr/bin/prometheus)
export PROMTOOL ?= $(or $(shell command -v promtool),$(CACHE)/prometheus/usr/bin/promtool)
export ALERTMANAGER ?= $(or $(shell command -v prometheus-alertmanager),$(CACHE)/alertmanager/usr/bin/prometheus-alertmanager)
export AMTOOL ?= $(or $(shell command -v amtool),$(CACHE)/alertmanager/usr/bin/amtool)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: rust ## Build, then play the Great Rotation on an embedded broker, in under a minute
	@scripts/system-packages build
	cargo run --locked --release -p rotation-service --bin rotation -- demo

.PHONY: test
test: rust ## Run every test, those on Apache Kafka, Prometheus and Python among them
	@scripts/system-packages build
	@scripts/system-packages test || echo "some tests lack what they need: they will be skipped, or fail where CI=true"
	@$(MAKE) kafka || echo "no Apache Kafka: tests that need it will be skipped, or fail where CI=true"
	@$(MAKE) python || echo "no Python packages: tests that need them will be skipped, or fail where CI=true"
	@$(MAKE) examples || echo "no built examples: tests that need them will be skipped, or fail where CI=true"
	@$(MAKE) asyncapi || echo "no schema of AsyncAPI: tests that need it will be skipped, or fail where CI=true"
	@$(MAKE) prometheus || echo "no Prometheus or Alertmanager: tests that need them will be skipped, or fail where CI=true"
	@$(MAKE) node || echo "no modules of npm: tests of the page and the dashboards will be skipped, or fail where CI=true"
	@rm -f $(SKIPPED)
	cargo build --locked --workspace --bins --tests
	@status=0; cargo test --locked --workspace --no-fail-fast || status=$$?; \
	$(MAKE) mutants || status=$$?; \
	scripts/list-skipped $(SKIPPED); exit $$status

.PHONY: lint
lint: rust ## Check formatting and clippy on all targets, warnings denied
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

.PHONY: deny
deny: rust ## Check licences, bans, sources and advisories of the dependencies with cargo-deny, where it is installed
	@cargo deny --version > /dev/null 2>&1 || { \
	  echo "cargo-deny is not installed: cargo install --locked cargo-deny" >&2; exit 1; }
	cargo deny --locked check licenses bans sources
	@cargo deny --locked fetch db > /dev/null 2>&1 || { \
	  echo "NOT CHECKED: advisories, since their database cannot be had from here" >&2; exit 0; }; \
	cargo deny --locked check advisories

.PHONY: sbom
sbom: rust ## Write the bill of materials of the program to target/rotation.cdx.json, as CycloneDX
	@mkdir -p target
	cargo run --locked --quiet -p rotation-tests --bin sbom > target/rotation.cdx.json
	@echo "wrote target/rotation.cdx.json"

.PHONY: docs
docs: rust ## Build the API documentation with warnings denied, and run what tests the documents
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
	cargo test --locked --workspace --doc
	cargo test --locked --workspace --bins --tests -- docs

.PHONY: bench
bench: rust system-packages kafka ## Measure the engine and the service against their floors
	cargo bench --locked -p rotation-tests --bench '*'

.PHONY: prove
prove: rust system-packages kafka
	cargo build --locked --release -p rotation-service -p rotation-tests --bin rotation --bin prove

.PHONY: chaos
chaos: prove ## Break a cluster of three nodes for half an hour, then compare every alert (SEED)
	target/release/prove chaos long $(SEED)

.PHONY: latency
latency: prove ## Measure from a tick to its alert, hop by hop, beside 10,000 ticks a second
	target/release/prove latency

.PHONY: scale
scale: prove ## Read the same backlog with 1, 2 and 4 processes
	target/release/prove scale

.PHONY: soak
soak: prove ## Feed TICKS with three restarts; watch memory, descriptors and state
	target/release/prove soak $(TICKS)

.PHONY: recovery
recovery: prove ## Restore 10,000 series with windows of 252 sessions; restart 4 processes in turn
	target/release/prove recovery

.PHONY: overload
overload: prove ## Catch up with a BACKLOG; slow the sink down; stop a partition
	target/release/prove overload $(BACKLOG)

# A build of its own: no other program may have faults planted in it.
.PHONY: mutants
mutants: rust ## Plant faults in the service, and see that the simulation finds each
	scripts/require-tests cargo test --locked --workspace --features rotation-tests/mutants \
	  --test simulation_mutants -- --nocapture

.PHONY: simulate
simulate: rust ## Run the service in a simulated world with faults: SEEDS of them, from seed FIRST
	cargo run --locked --release -p rotation-tests --bin simulate -- $(SEEDS) $(FIRST)

.PHONY: fuzz
fuzz: rust ## Give every target to libFuzzer for MINUTES each, where cargo-fuzz is or can be installed
	@scripts/system-packages build
	scripts/fuzz $(MINUTES)

.PHONY: fuzz-short
fuzz-short: rust ## Run the property tests named fuzz* with many cases (FUZZ_CASES)
	PROPTEST_CASES=$(FUZZ_CASES) scripts/require-tests cargo test --locked --workspace --lib --bins --tests -- fuzz

.PHONY: system-packages
system-packages: ## Install the Debian packages that building and testing need, where missing
	@scripts/system-packages build
	@scripts/system-packages test

# The copy of the pom beside the jars says which pom they came from.
.PHONY: kafka
kafka: ## Fetch Apache Kafka into .cache/kafka
	@cmp -s tests/kafka/pom.xml $(CACHE)/kafka/pom.xml || { \
	  rm -rf $(CACHE)/kafka; \
	  echo "fetching Apache Kafka into .cache/kafka"; \
	  mvn --batch-mode --quiet -Dstyle.color=never --file tests/kafka/pom.xml \
	    dependency:copy-dependencies -DoutputDirectory=$(CACHE)/kafka/libs; \
	  cp tests/kafka/pom.xml $(CACHE)/kafka/pom.xml; }

.PHONY: broker
broker: system-packages kafka ## Run one node of Apache Kafka on 127.0.0.1:9092 (PORT), to try things on
	@scripts/broker $(CACHE)/kafka/libs $(CURDIR)/target/broker $(PORT)

.PHONY: alertmanager
alertmanager: prometheus ## Run Alertmanager on 127.0.0.1:9093 (PORT), to see alerts arrive
	@scripts/alertmanager $(ALERTMANAGER) $(CURDIR)/target/alertmanager $(PORT)

# The copy of the list beside the packages says which list they came from.
.PHONY: python
python: ## Install what the Python checks need into .cache/python
	@cmp -s tests/python/requirements.txt $(CACHE)/python/requirements.txt || { \
	  rm -rf $(CACHE)/python; \
	  echo "installing Python packages into .cache/python"; \
	  python3 -m venv $(CACHE)/python; \
	  $(CACHE)/python/bin/pip install --quiet --disable-pip-version-check \
	    --requirement tests/python/requirements.txt; \
	  cp tests/python/requirements.txt $(CACHE)/python/requirements.txt; }

# The copies beside what was built say what it was built from.
.PHONY: examples
examples: ## Build the subscribers of examples/ into .cache/examples
	@cmp -s examples/python/requirements.txt $(CACHE)/examples/python/requirements.txt || { \
	  rm -rf $(CACHE)/examples/python; \
	  echo "installing what the Python subscriber needs into .cache/examples"; \
	  python3 -m venv $(CACHE)/examples/python; \
	  $(CACHE)/examples/python/bin/pip install --quiet --disable-pip-version-check \
	    --requirement examples/python/requirements.txt; \
	  cp examples/python/requirements.txt $(CACHE)/examples/python/requirements.txt; }
	@diff -rq examples/java $(CACHE)/examples/java/source > /dev/null 2>&1 || { \
	  rm -rf $(CACHE)/examples/java; \
	  echo "building the Java subscriber into .cache/examples"; \
	  mvn --batch-mode --quiet -Dstyle.color=never --file examples/java/pom.xml \
	    -Dbuilt=$(CACHE)/examples/java compile dependency:copy-dependencies; \
	  cp -r examples/java $(CACHE)/examples/java/source; }

# The copy of the list beside the packages says which list they came from.
.PHONY: asyncapi
asyncapi: ## Fetch the JSON Schema of AsyncAPI into .cache/asyncapi
	@cmp -s tests/asyncapi/package-lock.json $(CACHE)/asyncapi/fetched.json || { \
	  rm -rf $(CACHE)/asyncapi; mkdir -p $(CACHE)/asyncapi; \
	  echo "fetching the JSON Schema of AsyncAPI into .cache/asyncapi"; \
	  cp tests/asyncapi/package.json tests/asyncapi/package-lock.json tests/asyncapi/.npmrc $(CACHE)/asyncapi; \
	  npm ci --prefix $(CACHE)/asyncapi --ignore-scripts --no-audit --no-fund --silent; \
	  cp tests/asyncapi/package-lock.json $(CACHE)/asyncapi/fetched.json; }

.PHONY: prometheus
prometheus: ## Fetch Debian's Prometheus and Alertmanager into .cache, where none is installed
	@[ -x "$(PROMETHEUS)" ] && [ -x "$(PROMTOOL)" ] || scripts/unpack-debian prometheus $(CACHE)/prometheus
	@[ -x "$(ALERTMANAGER)" ] && [ -x "$(AMTOOL)" ] || \
	  scripts/unpack-debian prometheus-alertmanager $(CACHE)/alertmanager

PAGE := crates/rotation-service/page
NODE := $(PAGE) tests/page deploy/grafana

.PHONY: node
node: ## Install what the page, its tests and the dashboards are made with, by npm
	@scripts/node-modules $(NODE)

.PHONY: page
page: node ## Build the page into crates/rotation-service/page/dist, which is committed
	@cd $(PAGE) && npm run --silent test && npm run --silent build

.PHONY: dashboards
dashboards: node ## Make the Grafana dashboards from their source, deploy/grafana/src
	@cd deploy/grafana && npm run --silent generate

.PHONY: clean
clean: ## Remove what was built and what was fetched
	rm -rf target .cache $(NODE:%=%/node_modules)

.PHONY: rust
rust:
	@command -v cargo > /dev/null || { \
	  echo "cargo was not found: install Rust with rustup, open a new shell, run make again" >&2; \
	  exit 1; }
