#!/usr/bin/env bash
# Lets systemd read the units. The program they name is not installed here, so a copy names one that is. What
# systemd ignores it only warns of, with exit code 0: any word about these units is a mistake here.
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v systemd-analyze >/dev/null; then
  echo "no systemd-analyze here; install the package systemd" >&2
  exit 1
fi
copy=$(mktemp -d)
trap 'rm -r "$copy"' EXIT
cp realmgate.service realmgate.socket "$copy"
sed -i 's|/usr/local/bin/realmgate|/bin/true|' "$copy/realmgate.service"

version=$(systemd-analyze --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
if [ "$version" -lt 253 ]; then
  echo "systemd $version does not know Type=notify-reload yet: all but that is verified"
  sed -i 's/^Type=notify-reload$/Type=notify/; /^ReloadSignal=/d' "$copy/realmgate.service"
fi
said=$(systemd-analyze verify --man=no "$copy/realmgate.service" "$copy/realmgate.socket" 2>&1) || status=$?
said=$(grep -F realmgate <<<"$said" || true)
if [ -n "$said" ] || [ "${status:-0}" -ne 0 ]; then
  printf '%s\n' "$said" >&2
  exit 1
fi
# The gateway looks at files of /proc that do not belong to a process, and at files that root gives to its group.
if grep -E '^(ProcSubset|DynamicUser)=' realmgate.service >&2; then
  echo "with this the gateway sees no memory limit, or may not read its own configuration" >&2
  exit 1
fi
user=$(sed -n 's/^User=//p' realmgate.service)
made=$(systemd-sysusers --dry-run "$PWD/realmgate.sysusers" 2>&1) || true # versions below 250 do not know it
if ! grep -qF "'$user'" <<<"$made" && ! getent passwd "$user" >/dev/null; then
  printf 'realmgate.sysusers makes no user %s:\n%s\n' "$user" "$made" >&2
  exit 1
fi
systemd-analyze security --offline=true --threshold=25 --no-pager "$copy/realmgate.service" | tail -n 1
