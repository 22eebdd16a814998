#!/usr/bin/env bash
# Runs the C of native/ that speaks to the kernel under sanitizers, in network
# namespaces of its own. Needs root, /dev/net/tun and clang with its runtime.
#
#   run.sh [seconds]   fuzzes what comes in from others for so long; 3 s if none is given
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
seconds=${1:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

printf 'int main(void) { return 0; }' | clang -fsanitize=address,undefined -x c -o "$work/try" - 2>/dev/null ||
  { echo "run.sh needs clang with its sanitizers: apt-get install clang libclang-rt-dev" >&2; exit 2; }
bun -e "await Bun.write('$work/shim.c', (await import('$here/../../support/shim.ts')).source)"

flags=(-std=c11 -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all -Wall -Wextra -Werror -Wno-unused-function -I "$work")
# The program that names functions for ThreadSanitizer leaves its pipes open, and no count of fds is right any more.
export TSAN_OPTIONS=halt_on_error=1
# What hangs is stopped, and counts as found.
run() { timeout $((seconds + 120)) unshare --net "$@" >"$work/log" 2>&1 || { tail -n 60 "$work/log"; exit 1; }; }

echo "== glue, address and undefined"
clang "${flags[@]}" -fsanitize=address,undefined -o "$work/glue" "$here/glue.c"
run "$work/glue"

echo "== threads, thread"
threads=(clang "${flags[@]}" -fsanitize=thread -o "$work/threads" "$here/threads.c")
"${threads[@]}"
run "$work/threads"

# Makes the shim wrong by a sed script, so that only the order of two threads' accesses is: ThreadSanitizer has to tell.
plant() {
  echo "== threads, thread: $1"
  cp "$work/shim.c" "$work/right.c"
  sed "$2" "$work/right.c" >"$work/shim.c"
  ! cmp -s "$work/right.c" "$work/shim.c" || { echo "run.sh changes nothing by: $2" >&2; exit 1; }
  "${threads[@]}"
  # A busy machine may keep two threads apart for a whole run, or let what is wrong fail before it is told.
  local try found=
  for try in 1 2 3; do
    (run "$work/threads") >/dev/null 2>&1 || true
    found=$(grep -o 'ThreadSanitizer: data race.*in [a-z_]*' "$work/log" | head -n 1) && break
  done
  [ "$found" ] || { tail -n 60 "$work/log"; echo "ThreadSanitizer finds nothing in $try runs" >&2; exit 1; }
  echo "   $found"
  mv "$work/right.c" "$work/shim.c"
}
plant "a closer that strikes fds off the JavaScript thread's table" '/^static void \*closer_main/,/^}/s/sys_close(fd)/fd_close(fd)/'
plant "a waiter that starts before it is told its epoll set" '/^static int thread_open/,/^}/{
  s/^\twaiter.ep = ep;$//
  s/sys_pthread_detach(id);/waiter.ep = ep; &/
}'
plant "nobody waits for the thread that opens elsewhere" '/^static int netns_open/,/^}/s/thread_run(opening_main/thread_start(\&(size){0}, opening_main/'
plant "nobody waits for the thread that opens a UDP socket" '/^static int udp_open/,/^}/s/thread_run(udp_opening_main/thread_start(\&(size){0}, udp_opening_main/'

# One input that passes several fds, one that asks for all links.
mkdir "$work/seeds"
printf '\0\0\222\222\0\0' >"$work/seeds/fds"
printf '\2\0\1\020\0\0\0\0\0' >"$work/seeds/links"
for sanitizer in address undefined; do
  echo "== receive, $sanitizer, $seconds s"
  clang "${flags[@]}" "-fsanitize=fuzzer,$sanitizer" -o "$work/receive" "$here/receive.c"
  run "$work/receive" "$work/seeds" -max_total_time="$seconds" -max_len=300 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="${TMPDIR:-/tmp}/bun-tuntap-receive-"
  grep number_of_executed_units "$work/log" | sed 's/^/   /'
done
echo "nothing found"
