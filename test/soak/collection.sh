#!/usr/bin/env bash
# Devices, offload, observers and captures while the collector of garbage never rests, and in JavaScriptCore's zombie
# mode, in which what was collected is overwritten: memory that somebody still uses without holding it shows at once.
set -euo pipefail
cd "$(dirname "$0")/../.."

files=(
  test/device/{end,live,queues}.test.ts
  test/io/{observe,receive}.test.ts
  test/io/offload/{read,refused,sender}.test.ts
  test/capture/{read,targets}.test.ts
)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for mode in BUN_JSC_collectContinuously BUN_JSC_useZombieMode; do
  echo "$mode=1"
  env "$mode=1" BUN_TUNTAP_FLOOD_FRAMES=5000 bun test "${files[@]}" --timeout 60000 >"$log" 2>&1 || { cat "$log"; exit 1; }
  # Bun exits with 0 for a run that ended half-way, too.
  grep -E '^Ran [1-9][0-9]* tests? across [1-9][0-9]* files?' "$log" || { cat "$log"; exit 1; }
done
