#!/usr/bin/env bash
# onnxruntime 1.31.1, the Linux wheel of PyPI: `import onnxruntime` by itself, before any session is
# made, begins a telemetry session. It writes a device id and a database into the home and a session
# file into the temporary directory. `onnxruntime.disable_telemetry_events()` can only be called
# after the import, when they are there; ORT_DISABLE_TELEMETRY=1 before the import prevents them.
# 1.27.0 writes nothing.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
files() {  # VERSION [NAME=VALUE]: what an import in an empty home leaves behind
  local home=$work/at/home tmp=$work/at/tmp
  rm -rf "$work/at"; mkdir -p "$home" "$tmp"
  env -u XDG_CACHE_HOME HOME="$home" TMPDIR="$tmp" "${@:2}" \
    "$work/$1/bin/python" -c 'import onnxruntime; onnxruntime.disable_telemetry_events()' >&2
  (cd "$work/at" && find . -type f | sort)
}
for version in 1.31.1 1.27.0; do
  python3 -m venv "$work/$version"
  "$work/$version/bin/pip" install --quiet --disable-pip-version-check \
    "onnxruntime==$version" 'numpy==2.4.6' 2>/dev/null
done
new=$(files 1.31.1); told=$(files 1.31.1 ORT_DISABLE_TELEMETRY=1); old=$(files 1.27.0)
printf '1.31.1:\n%s\n1.31.1, told not to:\n%s\n1.27.0:\n%s\n' "$new" "$told" "$old"
grep -q '/deviceid$' <<<"$new" && grep -q '/onnxruntime.db$' <<<"$new" && [ -z "$told$old" ]
