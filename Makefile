# The commands of this project; README.md names the first two.
SECONDS_EACH ?= 10
FUZZ_TARGETS := decode envelope config session_steps messages inflate request

.PHONY: demo test lint fuzz-smoke verify-unit verify-metrics autobahn bench-micro bench-instructions bench-instructions-table bench-peers bench-web bench-hold bench-scheduling bench-live bench-crowd

demo:            ## the embedded game for ten seconds: what is routed where
	cargo run --locked --release --quiet -- demo --once

test:            ## every test
	cargo test --locked

lint:            ## what CI asks of the form
	cargo fmt --all -- --check
	cargo clippy --locked --all-targets -- -D warnings

# The fuzzer's coverage flags are for a nightly compiler; RUSTC_BOOTSTRAP lets the stable one take them.
fuzz-smoke:      ## each fuzz target for SECONDS_EACH seconds, beginning with its corpus
	command -v cargo-fuzz >/dev/null || cargo install --locked --quiet cargo-fuzz
	for target in $(FUZZ_TARGETS); do \
	  scratch=$$(mktemp -d) && \
	  RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target $$scratch fuzz/corpus/$$target -- \
	    -max_total_time=$(SECONDS_EACH) -print_final_stats=1 -verbosity=0 && rm -r $$scratch || exit 1; \
	done

verify-unit:     ## what systemd thinks of the unit
	systemd/verify.sh

verify-metrics:  ## what Prometheus' promtool thinks of the alerts and of the metrics page
	conf/prometheus/verify.sh

autobahn:        ## what Autobahn's fuzzing client thinks of WebSocket through the gateway; needs Python 2.7
	tests/autobahn/run.sh

bench-micro:     ## decode, route, envelope
	cargo bench --locked --bench micro

bench-instructions: ## instructions of every piece and of the whole path; fails where one costs a tenth more than the table
	CARGO_PROFILE_BENCH_LTO=thin cargo bench --locked --bench instructions -- check

bench-instructions-table: ## writes that table anew, built as it is checked
	CARGO_PROFILE_BENCH_LTO=thin cargo bench --locked --bench instructions -- write

bench-peers:     ## HAProxy, nginx, Envoy and realmgate on the same work; writes benches/peers/RESULTS.md
	cargo bench --locked --bench peers -- run

bench-web:       ## the same for HTTP: requests per CPU second; writes its part of benches/peers/RESULTS.md
	cargo bench --locked --bench web -- run

bench-hold:      ## 15,000 TLS sessions in one process, and 10,000 silent ones over each transport, and over HTTP
	cargo bench --locked --bench hold -- run
	cargo bench --locked --bench hold -- websocket
	cargo bench --locked --bench hold -- http

bench-scheduling: ## a million simulated players at a hundred gateways; writes docs/scheduling.md and its plots
	cargo bench --locked --bench scheduling

bench-live:      ## reloads, cutovers, upgrades and kills under load: what players lose by them
	for scenario in load reload cutover upgrade broken-upgrade override; do \
	  cargo bench --locked --bench live -- $$scenario || exit 1; \
	done

bench-crowd:     ## a full room, broken connections, attackers, a partner's flood, a launch day: what the players feel of it
	for scenario in chat resume attacks partner storm full-storm; do \
	  cargo bench --locked --bench crowd -- $$scenario || exit 1; \
	done
