#!/usr/bin/env bash
# Lets Autobahn's fuzzing client judge the WebSocket of a running gateway, which stands in front of an echo server that
# speaks WebSocket too: 301 cases of good and bad frames, all but those about compression. One FAILED fails the run.
#
#   tests/autobahn/run.sh                       the gateway
#   tests/autobahn/run.sh --echo-only           the echo server alone: what is wrong there is not the gateway's
#   CASES='"5.*", "7.1.1"' tests/autobahn/run.sh    some cases
#   PROFILE=release tests/autobahn/run.sh       the release build
#
# The suite is for Python 2.7 only and gets a virtualenv of its own below target/; PYTHON27 names the interpreter where
# it is not found. What is said of each case is left as pages in target/autobahn/report.
set -euo pipefail
cd "$(dirname "$0")/../.."

cases=${CASES:-'"*"'}
profile=${PROFILE:-debug}
through=gateway
if [ "${1:-}" = --echo-only ]; then through=echo; fi
folder=$PWD/target/autobahn
suite=autobahntestsuite==0.8.2   # newer ones cannot be imported

fail() { printf '%s\n' "$1" >&2; exit 1; }

# The first interpreter that runs and is a 2.7: a shim of pyenv is there even where it leads nowhere.
find_python() {
  local candidate
  for candidate in "${PYTHON27:-}" python2.7 python2 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail "Autobahn's test suite needs Python 2.7, and none was found: not as PYTHON27, python2.7 or python2, and not
below pyenv's versions. Distributions have dropped it; \`pyenv install 2.7.18\` builds one, and this script finds it."
}

# A virtualenv with the suite; one that is whole already is kept.
prepare() {
  local python
  if [ -x "$folder/python/bin/wstest" ]; then return; fi
  python=$(find_python)
  "$python" -m pip --version >/dev/null 2>&1 || fail "$python has no pip: run \`$python -m ensurepip\`, then again"
  rm -rf "$folder/python" "$folder/virtualenv"
  mkdir -p "$folder"
  {
    "$python" -m pip install --quiet --disable-pip-version-check --target "$folder/virtualenv" 'virtualenv<20.16' &&
    PYTHONPATH=$folder/virtualenv "$python" -m virtualenv --quiet "$folder/python" &&
    "$folder/python/bin/pip" install --quiet --disable-pip-version-check "$suite"
  } >"$folder/install.log" 2>&1 || { cat "$folder/install.log" >&2; fail "the suite could not be installed with pip"; }
}

children=()
end() {
  local child
  for child in "${children[@]}"; do
    kill "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  done
}
trap end EXIT

# The first text in a file that looks like this, within 20 seconds.
await() {
  local found
  for _ in $(seq 200); do
    if found=$(grep -o -m 1 "$2" "$1" 2>/dev/null | head -n 1) && [ -n "$found" ]; then printf '%s\n' "$found"; return; fi
    sleep 0.1
  done
  cat "$1" >&2
  fail "nothing like $2 in $1 within 20 seconds"
}

prepare
flags=()
if [ "$profile" = release ]; then flags=(--release); fi
cargo build --locked --quiet "${flags[@]}" --bin realmgate --example websocket_echo

# No core dumps, no leftovers of an earlier run that could be taken for this one's.
rm -rf "$folder/report"
mkdir -p "$folder/report"
: >"$folder/echo.out"
"target/$profile/examples/websocket_echo" 127.0.0.1:0 >"$folder/echo.out" 2>"$folder/echo.err" &
children+=($!)
address=$(await "$folder/echo.out" '^127\.0\.0\.1:[0-9]*$')

if [ "$through" = gateway ]; then
  cat >"$folder/gate.toml" <<TOML
[gateway]
workers = 1
[drain]
lame_duck = "0s"
spread    = "0s"
deadline  = "1s"
[frame.raw]
length     = { kind = "opaque" }
max_length = "16MiB"   # the longest of the messages that come
[listener.judge]
listen   = "127.0.0.1:0"
protocol = "websocket"
frame    = "raw"
[listener.judge.limits]
send_buffer        = "64MiB"
connections_per_ip = 0
new_per_ip         = "off"
[cluster.echo]
link        = "dedicated"
frame       = "raw"
websocket   = "/"
send_buffer = "64MiB"
backends    = [{ address = "$address" }]
[route.echo]
ids     = ["*"]
cluster = "echo"
TOML
  "target/$profile/realmgate" run --log-format json -c "$folder/gate.toml" 2>"$folder/gate.log" &
  children+=($!)
  address=$(await "$folder/gate.log" '"listening".*' | grep -o '127\.0\.0\.1:[0-9]*' | head -n 1)
fi

cat >"$folder/client.json" <<JSON
{ "outdir": "$folder/report",
  "servers": [{ "agent": "$through", "url": "ws://$address", "options": { "version": 18 } }],
  "cases": [$cases], "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {} }
JSON
# The client's own exit code says nothing of what it found.
"$folder/python/bin/wstest" --mode fuzzingclient --spec "$folder/client.json" >"$folder/client.log" 2>&1 ||
  { tail -n 20 "$folder/client.log" >&2; fail "the fuzzing client did not come to its end"; }
"$folder/python/bin/python" tests/autobahn/judge.py "$folder/report/index.json" "$folder/client.log"
