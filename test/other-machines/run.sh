#!/usr/bin/env bash
# Runs the demo and tests on musl, and on arm64 under qemu-user, with Bun from npm and all else from Debian (bookworm,
# x86-64). Takes root, gcc, npm and Linux 6.7. Not part of CI.
#
#   run.sh [musl] [arm64] [-- TEST ...]    both by default (4 minutes, and 2); a TEST is run in place of all
#
# What it downloads is unpacked in a folder of its own, and nothing is installed: musl is seen in a mount namespace only,
# and arm64 programs run in a user namespace only, which has a binfmt_misc of its own.
#
# qemu-user knows neither AIO (the thread waits instead), seccomp, eBPF, most of AF_PACKET's options nor SIOCGSKNS, so
# that many tests with interfaces cannot pass there: what runs is the demo, and the tests of the C and of pure code.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."

bun_version=1.4.5
work=$(mktemp -d)
# Tests without privilege run the Bun that is unpacked there.
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

# Unpacks Debian packages into $work/sysroot.
unpack() {
  mkdir -p "$work/debs" "$work/sysroot"
  (cd "$work/debs" && apt-get download -qq -o APT::Sandbox::User=root "$@")
  for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/sysroot"; done
}

# Unpacks Bun's package for another machine; its folder is the one to be put in PATH.
bun_for() {
  (cd "$work" && tar xzf "$(npm pack --silent "@oven/bun-linux-$1@$bun_version")")
  echo "$work/package/bin"
}

failed=() counts=() machines=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do machines+=("$1"); shift; done
[ $# -eq 0 ] || shift
tests=("$@")
[ ${#machines[@]} -gt 0 ] || machines=(musl arm64)

# Runs the demo and the tests, all of them, whatever fails.
run_in() {
  [ ${#tests[@]} -eq 0 ] || set -- "$1" "${tests[@]}"
  echo "== $1: the demo"
  "in_$1" unshare --net bun run demo || failed+=("$1: the demo")
  echo "== $1: tests"
  BUN_TUNTAP_FLOOD_FRAMES=${BUN_TUNTAP_FLOOD_FRAMES:-100000} BUN_TUNTAP_OFFLOAD_MB=16 "in_$1" bun test --timeout 60000 "${@:2}" 2>&1 | tee "$work/log" ||
    failed+=("$1: tests")
  count() { sed -nE "s/^ *([0-9]+) $1\$/\1/p" "$work/log" | tail -n 1; }
  counts+=("$1: $(count pass) passed, $(count fail) failed, $(skipped=$(count skip); echo "${skipped:-0}") skipped")
}

in_musl() {
  WORK=$work unshare --mount sh -ec '
    mount -t tmpfs none /mnt
    mkdir -p /mnt/lib/x86_64-linux-musl /mnt/etc /mnt/work1 /mnt/work2
    cp "$WORK"/sysroot/lib/x86_64-linux-musl/libc.so "$WORK"/libstdc++.so.6 /mnt/lib/x86_64-linux-musl/
    ln -s x86_64-linux-musl/libc.so /mnt/lib/ld-musl-x86_64.so.1
    ln -s libc.so /mnt/lib/x86_64-linux-musl/libc.musl-x86_64.so.1
    cp "$WORK"/sysroot/etc/ld-musl-x86_64.path /mnt/etc/
    mount -t overlay none -o lowerdir=/usr/lib,upperdir=/mnt/lib,workdir=/mnt/work1 /usr/lib
    mount -t overlay none -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work2 /etc
    PATH=$WORK/package/bin:$PATH
    exec "$@"' sh "$@"
}

# Debian has no libstdc++ for musl. The one for glibc is linked anew, with those of its functions that Bun asks for.
musl() {
  unpack musl libstdc++-12-pic
  local bun archive gcc
  bun=$(bun_for x64-musl)/bun
  archive=$work/sysroot/usr/lib/gcc/x86_64-linux-gnu/12/libstdc++_pic.a
  gcc=$(dirname "$(gcc -print-libgcc-file-name)")
  comm -12 <(readelf --dyn-syms -W "$bun" | awk '{ sub(/@.*/, "", $8); print $8 }' | sort -u) \
    <(nm "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u) | sed 's/^/-Wl,-u,/' >"$work/wanted"
  gcc -O -shared -fPIC -nostdlib -Wl,-soname,libstdc++.so.6 -o "$work/libstdc++.so.6" "@$work/wanted" \
    test/other-machines/musl.c "$archive" "$gcc/libgcc_eh.a" "$gcc/libgcc.a"
  run_in musl test/{sys,netlink,packet,probe,io,interface,device,handover,capture,udp,relay,lab,cli}
}

in_arm64() {
  local child
  rm -f "$work/go"
  mkfifo "$work/go"
  WORK=$work unshare --user --mount sh -ec '
    read -r _ <"$WORK"/go
    mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
    printf %s ":arm64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$WORK/sysroot/usr/bin/qemu-aarch64-static:F" \
      >/proc/sys/fs/binfmt_misc/register
    export QEMU_LD_PREFIX="$WORK"/sysroot/usr/aarch64-linux-gnu
    PATH=$WORK/package/bin:$PATH
    exec "$@"' sh "$@" &
  child=$!
  until [ "$(readlink "/proc/$child/ns/user")" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.02; done
  for map in uid_map gid_map; do echo "0 0 4294967295" >"/proc/$child/$map"; done
  echo >"$work/go"
  wait "$child"
}

arm64() {
  unpack qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross
  bun_for aarch64 >"$work/where"
  run_in arm64 test/packet test/netlink test/sys/native.test.ts test/device/open.test.ts \
    test/io/offload/{golden,malformed,merge,merge-table,read,split}.test.ts
}

for machine in "${machines[@]}"; do
  "$machine"
  rm -rf "${work:?}"/*
done
printf '%s\n' "${counts[@]}"
[ ${#failed[@]} -eq 0 ] || { printf 'Failed: %s\n' "${failed[@]}"; exit 1; }
