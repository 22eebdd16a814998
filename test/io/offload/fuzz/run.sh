#!/usr/bin/env bash
# Fuzzes what splits and merges in native/ under AddressSanitizer and under
# UndefinedBehaviorSanitizer. Needs no root.
#
#   run.sh [seconds] [target...]   each target (split, merge, finish) under each
#                                  sanitizer for so long; 3 s if none is given
#   run.sh --keep ...              and keeps what reached new code in corpus/
#   run.sh --corpus [target...]    the kept inputs once, with gcc if need be
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

keep=0 replay=0 seconds=3
case "${1:-}" in
  --keep) keep=1; shift ;;
  --corpus) replay=1; shift ;;
esac
if [[ "${1:-}" =~ ^[0-9]+$ ]]; then seconds=$1; shift; fi
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(split merge finish)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=c11 -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all)

if [ "$replay" = 1 ]; then
  for compiler in clang gcc; do
    printf 'int main(void) { return 0; }' | "$compiler" -fsanitize=address,undefined -x c -o "$work/try" - 2>/dev/null && break
  done
  [ -x "$work/try" ] || { echo "run.sh needs gcc, or clang with its sanitizers: apt-get install gcc" >&2; exit 2; }
  for target in "${targets[@]}"; do
    "$compiler" "${flags[@]}" -fsanitize=address,undefined -o "$work/$target" "$here/$target.c" "$here/replay.c"
    "$work/$target" "$here/corpus/$target"/*
  done
  exit
fi

printf 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return !p && n; }' |
  clang -fsanitize=fuzzer,address -x c -o "$work/try" - 2>/dev/null ||
  { echo "run.sh needs clang with libFuzzer: apt-get install clang libclang-rt-dev" >&2; exit 2; }

for sanitizer in address undefined; do
  for target in "${targets[@]}"; do
    clang "${flags[@]}" "-fsanitize=fuzzer,$sanitizer" -o "$work/$target-$sanitizer" "$here/$target.c"
    mkdir -p "$work/new-$target" "$here/corpus/$target"
    echo "== $target, $sanitizer, $seconds s"
    # What it finds wrong it prints too, in hexadecimal.
    "$work/$target-$sanitizer" -max_total_time="$seconds" -max_len=20000 -timeout=20 -rss_limit_mb=2048 \
      -print_final_stats=1 -verbosity=1 -artifact_prefix="${TMPDIR:-/tmp}/bun-tuntap-fuzz-$target-" \
      "$work/new-$target" "$here/corpus/$target" >"$work/log" 2>&1 ||
      { tail -n 60 "$work/log"; exit 1; }
    grep -E 'number_of_executed_units|DONE' "$work/log" | sed 's/^/   /'
  done
done

[ "$keep" = 1 ] || exit 0
for target in "${targets[@]}"; do
  # The smallest set that reaches what all of them reach.
  mkdir "$work/least-$target"
  "$work/$target-address" -merge=1 -max_len=4096 "$work/least-$target" "$here/corpus/$target" "$work/new-$target" >"$work/log" 2>&1 ||
    { tail -n 60 "$work/log"; exit 1; }
  rm -rf "$here/corpus/$target"
  mv "$work/least-$target" "$here/corpus/$target"
done
du -sb "$here/corpus"
