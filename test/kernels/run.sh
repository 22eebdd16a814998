#!/usr/bin/env bash
# Runs tests on other kernels: Debian packages the kernel of each of its releases as user-mode-linux, which is a process
# (native speed, one processor, no KVM). Takes root, x86-64 and a Debian machine with Bun and the project's packages.
#
#   run.sh [RELEASE ...] [-- TEST ...]     bullseye (5.10), bookworm (6.1), trixie (6.12), sid (newest); all by default
#
# A TEST is a file, or a folder: all files in it that make interfaces, without a few that are long and show nothing new
# here. Each file gets a Bun of its own. Logs, JUnit reports and table.md go to $OUT (default: a folder that is named at
# the end). Exits with 1 if a test failed, and with 77 if a kernel or Bun's program cannot be had. $BUN is Bun's program
# if `bun` is not; $KERNEL_SECONDS is the time for one kernel, $FILE_SECONDS for one file (400); BUN_TUNTAP_FLOOD_FRAMES
# is the length of a flood (20,000).
#
# What is downloaded is unpacked in a folder of its own, and nothing is installed. The guest sees the machine's files
# read-only, as hostfs; all that it writes is in its own tmpfs and in $OUT. It has no network to the outside.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

all=(test/{io,device,interface,handover,capture,sys,probe,packet,udp,relay,lab,cli})
long='/(soak|changes-lost|fuzz|constants|few-fds|waker|ends|concurrent)\.test\.ts$'
seconds=${KERNEL_SECONDS:-3000} # for one kernel

releases=() tests=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do releases+=("$1"); shift; done
[ $# -eq 0 ] || { shift; tests=("$@"); }
[ ${#releases[@]} -gt 0 ] || releases=(bullseye bookworm trixie sid)
[ ${#tests[@]} -gt 0 ] || tests=("${all[@]}")

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
out=${OUT:-$(mktemp -d -t kernels.XXXXXX)}
mkdir -p "$out"

cannot() { echo "Cannot have $1: $2"; exit 77; }

[ "$(id -u)" -eq 0 ] && [ "$(uname -m)" = x86_64 ] || cannot "other kernels" "needs root on x86-64"
command -v apt-get >/dev/null || cannot "other kernels" "needs Debian's apt-get"
bun=${BUN:-$(bun -p process.execPath)} || cannot Bun "no bun in PATH, and no \$BUN"

# The mirror that this machine is configured with.
mirror() {
  mkdir -p "$work/lists/partial"
  local own=(-o "Dir::State::Lists=$work/lists" -o APT::Sandbox::User=root)
  timeout 120 apt-get update -qq "${own[@]}" >&2 || return 1
  apt-get indextargets "${own[@]}" --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' | awk '$2 == "Debian" { print $1; exit }'
}

# Downloads and unpacks a release's kernel, with what loads its modules and the libc for both, into $work/RELEASE.
unpack() {
  local root=$work/$1 apt=$work/apt.$1 package
  mkdir -p "$apt"/{lists/partial,cache/archives/partial} "$root"/{host,project,modules,out,tmp,dev,proc}
  : >"$apt/status"
  echo "deb [signed-by=$(ls /usr/share/keyrings/debian-archive-keyring.* | head -n 1)] $uri $1 main" >"$apt/sources"
  cat >"$apt/conf" <<END
Dir::Etc::SourceList "$apt/sources"; Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$apt/lists"; Dir::State::status "$apt/status"; Dir::Cache "$apt/cache";
APT::Sandbox::User "root"; APT::Install-Recommends "false"; Acquire::Languages "none";
END
  (
    export APT_CONFIG=$apt/conf
    timeout 120 apt-get update -qq && timeout 300 apt-get install -qq --yes --download-only user-mode-linux kmod
  ) >"$apt/log" 2>&1 || { cat "$apt/log"; return 1; }
  # Releases from trixie on have no /lib: their packages expect it to be a link.
  for link in lib lib64 bin sbin; do mkdir -p "$root/usr/$link"; ln -sn "usr/$link" "$root/$link"; done
  for package in "$apt"/cache/archives/*.deb; do dpkg --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink; done
  rm -rf "$apt"
  ln -s uml/modules "$root/usr/lib/modules"
}

# The files of the tests asked for.
files() {
  local test
  for test in "${tests[@]}"; do
    if [ -d "$top/$test" ]; then
      (cd "$top" && grep -rlE 'describe(Privileged|WithTools|OnKernel)\(' --include='*.test.ts' "$test" | grep -vE "$long" | sort)
    else
      echo "$test"
    fi
  done
}

# Boots the kernel of $work/RELEASE; what the guest prints is printed. SIGKILL, since the kernel ignores SIGTERM.
boot() {
  local root=$work/$1
  mkdir -p "$out/$1"
  rm -f "$out/$1"/{uname,*.xml,*.status,*.log}
  files >"$out/$1/tests"
  timeout -s KILL "$seconds" unshare --mount --pid --fork --kill-child sh -ec '
    root=$1 project=$2 modules=$3 out=$4 bun=$5 flood=$6 limit=$8
    mount --make-rprivate /
    mount --rbind / "$root/host"
    mount --bind "$project" "$root/project"
    mount --bind "$modules" "$root/modules"
    mount --bind "$out" "$root/out"
    mount --rbind /dev "$root/dev"
    mount -t proc none "$root/proc"
    mount -t tmpfs none "$root/tmp"
    cd /
    exec env -i HOME=/tmp TMPDIR=/tmp "$(command -v chroot)" "$root" /usr/bin/linux.uml uml_dir=/tmp mem=3G quiet \
      root=none rootfstype=hostfs rootflags=/host ro con=null con0=null,fd:1 con1=null init="$7" BUN="$bun" FLOOD="$flood" LIMIT="$limit"
  ' sh "$root" "$work/project" "$top/node_modules" "$out/$1" "$bun" "${BUN_TUNTAP_FLOOD_FRAMES:-20000}" "$here/guest.sh" \
    "${FILE_SECONDS:-400}" </dev/null >"$out/$1/console" 2>&1 || true
  [ -s "$out/$1/uname" ] || { tail -n 5 "$out/$1/console"; cannot "$1's kernel" "it does not start here"; }
}

uri=$(mirror) && [ -n "$uri" ] || cannot "a kernel" "apt knows no Debian mirror"
mkdir "$work/project"
(cd "$top" && git ls-files -z --cached --others --exclude-standard | tar -c --null --files-from=- --ignore-failed-read) | tar -x -C "$work/project"
for release in "${releases[@]}"; do
  unpack "$release" || cannot "$release's kernel" "its package cannot be downloaded"
  echo "== $release"
  boot "$release"
  rm -rf --one-file-system "${work:?}/$release"
done
echo "Reports are in $out"
"$bun" "$here/table.ts" "$out" "${releases[@]}"
