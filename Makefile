# Every way to build, try and test everlog. `make` alone lists the verbs.
# Everything uses the release profile, so that the engine is compiled once; only the two pure crates,
# which do not depend on it, are tested with the dev profile for its overflow checks.

EVERLOG := target/release/everlog
STORE := embedded
GUESTS := components/target/wasm32-wasip2/release
TICKET_SHOP := components/examples/ticket-shop
POLYGLOT := components/target/polyglot
comma := ,
PURE := -p everlog-oplog -p everlog-store
# Always the same selection: with another, other features of the packages apply and all is compiled again.
REST := --release --workspace --exclude everlog-oplog --exclude everlog-store
# Debian may start a Redis on its usual port, which disturbs nobody: the tests start their own on others.
APT_INSTALL := DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends
TOOLCHAIN := $(shell sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)

.DEFAULT_GOAL := help
.PHONY: help run test check shop bench components components-polyglot build lint clean setup setup-tests setup-polyglot

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: build components ## start a server on 127.0.0.1:7070 with its state in ./data, and the examples on it
	@$(EVERLOG) serve & server=$$!; \
	trap 'kill -TERM $$server 2>/dev/null; wait $$server; exit' INT TERM; \
	until $(EVERLOG) component list >/dev/null 2>&1; do \
		kill -0 $$server 2>/dev/null || { wait $$server; exit; }; \
		sleep 0.1; \
	done; \
	for guest in counter todo ticker payment-saga http-proxy; do \
		$(EVERLOG) component add $$guest $(GUESTS)/$$(echo $$guest | tr - _).wasm || exit; \
	done; \
	for guest in ticket checkout cart; do \
		$(EVERLOG) component add $$guest $(GUESTS)/shop_$$guest.wasm || exit; \
	done; \
	echo; \
	echo "Try these, and again after killing the server (kill -9 $$server; make run):"; \
	echo "  curl -X POST localhost:7070/v1/workers/counter/mary/invoke/add -d '[5]'"; \
	echo "  curl -X POST localhost:7070/v1/workers/todo/mary/invoke/add -d '{\"title\": \"buy milk\"}'"; \
	echo "  curl localhost:7070/v1/workers/counter/mary/oplog"; \
	echo "  curl -X POST localhost:7070/v1/workers/cart/mary/invoke/add -d '[\"2B\"]'"; \
	echo "  curl 'localhost:7070/http/http-proxy/front/all?/v1/version&/v1/components'"; \
	wait $$server

test: lint build components setup-tests ## everything that must hold: format, lints, all tests
	cargo nextest run $(PURE)
	cargo nextest run $(REST)
	EVERLOG_TEST_STORE=redis cargo nextest run $(REST) -E 'binary(promises)' --profile redis
	cargo test $(PURE) --doc --quiet
	cargo test $(REST) --doc --quiet

check: lint setup-tests ## the quick part of test: format, lints, the journal, the house rules
	cargo nextest run -p everlog-oplog
	cargo nextest run --release -p everlog-tests --test tidy

shop: setup ## open the shop of payment-saga and ticket-shop, which fails now and then, on 127.0.0.1:7171
	cargo run --release --quiet -p everlog-tests --bin shop

bench: build components ## measure, and print the table of ratios; STORE=redis: with the state in Redis
	EVERLOG_TEST_STORE=$(STORE) cargo run --release --quiet -p everlog-tests --bin bench

components: setup ## compile the guests of components/
	cd components && cargo build --release

components-polyglot: build components setup-polyglot ## compile the checkout of ticket-shop in JavaScript and in Python too
	rm -rf $(POLYGLOT)/wit && mkdir -p $(POLYGLOT)/wit/deps
	cp $(TICKET_SHOP)/polyglot-wit/*.wit $(POLYGLOT)/wit
	cp -r wit/deps/io wit/deps/clocks wit/deps/cli wit/deps/http wit/golem-rpc wit/golem-api $(POLYGLOT)/wit/deps
	cp -r $(TICKET_SHOP)/shop-checkout/wit $(POLYGLOT)/wit/deps/checkout
	cd $(TICKET_SHOP)/checkout-js && node build.mjs $(CURDIR)/$(POLYGLOT)/wit $(CURDIR)/$(POLYGLOT)/checkout_js.wasm
	cd $(TICKET_SHOP)/checkout-python && $(CURDIR)/$(POLYGLOT)/venv/bin/componentize-py \
		-d $(CURDIR)/$(POLYGLOT)/wit -w python componentize checkout -o $(CURDIR)/$(POLYGLOT)/checkout_python.wasm

build: setup ## compile the server
	cargo build --release -p everlog

lint: setup ## format and lints of host, tests and guests, warnings as errors
	cargo fmt --all --check
	cd components && cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	cargo clippy --release -p everlog-guest --target wasm32-wasip2 -- -D warnings
	cd components && cargo clippy --release -- -D warnings

clean: ## remove what was compiled; ./data stays
	cargo clean
	cd components && cargo clean

setup: ## install the toolchain and the wasm target if they are missing
	@command -v rustup >/dev/null || { echo "rustup is needed, see https://rustup.rs"; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is needed as the linker, as in: apt install build-essential"; exit 1; }
	@rustup toolchain list | grep -q '^$(TOOLCHAIN)' \
		|| rustup toolchain install $(TOOLCHAIN) --profile minimal -c clippy -c rustfmt
	@rustup target list --installed --toolchain $(TOOLCHAIN) | grep -qx wasm32-wasip2 \
		|| rustup target add wasm32-wasip2 --toolchain $(TOOLCHAIN)

setup-tests: setup ## install cargo-nextest, redis-server, libfaketime, and node and python3 with the clients of the tests
	@cargo nextest --version >/dev/null 2>&1 || cargo install cargo-nextest --locked
	@$(call need,redis-server,redis-server,redis-server --version)
	@$(call need,libfaketime,libfaketime,ls /usr/lib*/faketime/libfaketime.so.1 /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null | grep -q .)
	@$(call need,node and npm,nodejs npm,npm --version)
	@$(call need,python3 with requests,python3 python3-requests,python3 -c "import requests")
	@npm ls --prefix tests/clients --depth 0 >/dev/null 2>&1 \
		|| npm ci --prefix tests/clients --no-audit --no-fund --ignore-scripts --loglevel error

setup-polyglot: setup ## install node and python3 with the tools that make components from JavaScript and Python
	@$(call need,node and npm,nodejs npm,npm --version)
	@$(call need,python3 with venv,python3 python3-venv,python3 -c "import venv$(comma) ensurepip")
	@test -x $(POLYGLOT)/venv/bin/componentize-py || { \
		python3 -m venv $(POLYGLOT)/venv \
			&& $(POLYGLOT)/venv/bin/pip install --quiet -r $(TICKET_SHOP)/checkout-python/requirements.txt; }
	@npm ls --prefix $(TICKET_SHOP)/checkout-js --depth 0 >/dev/null 2>&1 \
		|| npm ci --prefix $(TICKET_SHOP)/checkout-js --no-audit --no-fund --ignore-scripts --loglevel error

# need NAME,PACKAGES,CHECK: unless the check succeeds, install the packages or say what is missing; then it must succeed.
define need
	$(3) >/dev/null 2>&1 || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && $(APT_INSTALL) $(2); \
		fi; \
		$(3) >/dev/null 2>&1 || { echo "needed: $(1), as in: sudo apt install $(2)"; exit 1; }; \
	}
endef
