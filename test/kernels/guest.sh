#!/bin/sh
# The first process inside of user-mode Linux (see run.sh): the machine's files are /, read-only.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C

halt() {
  # LINUX_REBOOT_CMD_POWER_OFF
  "$BUN" -e 'require("bun:ffi").dlopen("libc.so.6", { reboot: { args: ["i32"], returns: "i32" } }).symbols.reboot(0x4321fedc)'
}

mount -t proc none /proc
mount -t sysfs none /sys
mountpoint -q /dev || mount -t devtmpfs none /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs none /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /run
mount -t tmpfs none /tmp
mkdir /run/out /run/kernel /run/project

# Paths of hostfs are those of the kernel's own root (run.sh's chroot).
mount -t hostfs -o / none /run/kernel
mount -t hostfs -o /out none /run/out
mount -t hostfs -o /project none /run/project

# Modules are loaded by the release's own modprobe, as the kernel asks for them.
printf '#!/bin/sh\nexec chroot /run/kernel /sbin/modprobe "$@"\n' >/run/modprobe
chmod +x /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
/run/modprobe tun
/run/modprobe -q ipv6 # part of the kernel in some releases
[ -e /dev/net/tun ] && chmod 666 /dev/net/tun

mkdir /tmp/project
cp -a /run/project/. /tmp/project/
mkdir -p /tmp/project/node_modules
mount -t hostfs -o /modules none /tmp/project/node_modules
cd /tmp/project || halt
ip link set lo up

mkdir /run/bin
ln -s "$BUN" /run/bin/bun
export BUN_TUNTAP_FLOOD_FRAMES="$FLOOD" BUN_TUNTAP_OFFLOAD_MB=2 PATH="/run/bin:$PATH"
uname -r >/run/out/uname
n=0
while read -r test; do
  n=$((n + 1))
  timeout -k 5 "$LIMIT" "$BUN" test --timeout 60000 --reporter=junit --reporter-outfile=/tmp/report.xml "$test" >/run/out/$n.log 2>&1
  echo "$?" >/run/out/$n.status
  [ ! -e /tmp/report.xml ] || mv /tmp/report.xml /run/out/$n.xml
  echo "$(cut -d . -f 1 /proc/uptime) s: $test: $(tail -n 7 /run/out/$n.log | tr '\n' ' ')"
done </run/out/tests
echo done
halt
