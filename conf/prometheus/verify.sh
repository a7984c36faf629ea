#!/usr/bin/env bash
# Lets Prometheus' own tool judge the alerts, their tests, the dashboard's expressions and the metrics page of a gate that has served sessions.
set -euo pipefail
cd "$(dirname "$0")/../.."

tool=$(command -v promtool || true)
if [ -z "$tool" ] && command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
  # Only unpacked, not installed: installing the package would start a server.
  folder=target/promtool
  if [ ! -x $folder/usr/bin/promtool ]; then
    mkdir -p $folder
    (cd $folder && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } \
      && dpkg -x prometheus_*.deb .) >/dev/null 2>&1 || true
  fi
  if [ -x $folder/usr/bin/promtool ]; then tool=$folder/usr/bin/promtool; fi
fi
if [ -z "$tool" ]; then
  echo "no promtool here and no way to get it: alerts and metrics page are not verified; install Prometheus' promtool" >&2
  exit 1
fi

"$tool" check rules conf/prometheus/alerts.yml
"$tool" test rules conf/prometheus/alerts.test.yml

# Silent means silent: the tool writes its advice and exits with 0 or 3.
judge() {
  local said
  said=$("$tool" check metrics <"$1" 2>&1) || true
  if [ -n "$said" ]; then printf 'promtool on %s:\n%s\n' "$1" "$said" >&2; exit 1; fi
  printf '%s: %s samples, and promtool is silent\n' "$1" "$(grep -vc '^#' "$1")"
}

# The test leaves the dashboard's expressions as if they were rules.
rules=target/tmp/dashboard.rules.yml
rm -f $rules
cargo test --locked --quiet --test metrics_documents -- --exact the_dashboards_expressions_are_left_for_promtool >/dev/null
"$tool" check rules $rules

# The test leaves the page that it has read.
page=target/tmp/metrics.prom
rm -f $page
cargo test --locked --quiet --test gate -- --exact metrics::every_name_of_the_contract_is_on_the_page_in_its_order >/dev/null
judge $page

# The same page from the program as it is run. The gate chooses its ports and says them in its log.
scratch=$(mktemp -d)
gate=
end() {
  if [ -n "$gate" ]; then kill "$gate" 2>/dev/null || true; wait "$gate" 2>/dev/null || true; fi
  rm -r "$scratch"
}
trap end EXIT
cat >"$scratch/gate.toml" <<'TOML'
[gateway]
workers   = 2
state_dir = "state"
[admin]
listen = "127.0.0.1:0"
[drain]
lame_duck = "0s"
spread    = "0s"
deadline  = "1s"
[frame.game]
length = { offset = 0, width = 4 }
id     = { offset = 4, width = 2 }
[listener.players]
listen = "127.0.0.1:0"
[cluster.battle]
backends = [{ address = "127.0.0.1:1" }]
[route.battle]
ids     = [1000]
cluster = "battle"
TOML
cargo build --locked --quiet
target/debug/realmgate run --log-format json -c "$scratch/gate.toml" 2>"$scratch/log" &
gate=$!
for _ in $(seq 200); do
  for address in $(grep -o '127\.0\.0\.1:[0-9]*' "$scratch/log" | sort -u); do
    if curl --silent --fail --max-time 5 --output "$scratch/metrics.prom" "http://$address/metrics" 2>/dev/null; then
      judge "$scratch/metrics.prom"
      exit 0
    fi
  done
  sleep 0.1
done
cat "$scratch/log" >&2
echo "no /metrics at any address of the log within 20 seconds" >&2
exit 1
