#!/bin/sh
# Skiff, a whole Kubernetes in one file: this text, then an archive that it unpacks below the data-dir on first use.
# version=@VERSION@ commit=@COMMIT@ built=@BUILT@ arch=@ARCH@ node=@NODE@
{
hash=@HASH@
offset=@OFFSET@
megabytes=@MEGABYTES@
name=${0##*/}
case $0 in /*) file=$0 ;; *) file=$PWD/$0 ;; esac

fail() {
  echo "$name: $1" >&2
  exit 1
}

# become DIR ARGUMENTS...: this process is from now on the program in DIR.
become() {
  home=$1
  shift
  SKIFF_ARGV0=$name SKIFF_FILE=$file SKIFF_HOME=$home NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-$home/cache}
  export SKIFF_ARGV0 SKIFF_FILE SKIFF_HOME NODE_COMPILE_CACHE
  # As in bin/skiff.
  MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-2}; export MALLOC_ARENA_MAX
  space=16 program=skiff
  case $SKIFF_ARGV0:${1:-} in
    kubectl:* | crictl:* | ctr:* | *: | *:agent | *:kubectl | *:crictl | *:ctr | *:token | *:help | *:--help | *:-h | *:--version | *:-v) space=2 program=agent ;;
  esac
  exec "$home/bin/node" --max-semi-space-size=$space --disable-warning=ExperimentalWarning "$home/dist/$program.mjs" "$@"
}

# The data-dir as the flag, the environment or the configuration file name it; K3s' own for root; else one in HOME.
data_dir() {
  config=${K3S_CONFIG_FILE:-} found=
  while [ $# -gt 0 ]; do
    case $1 in
      --data-dir=* | -data-dir=* | -d=*) found=${1#*=} ;;
      --data-dir | -data-dir | -d) found=${2:-} ;;
      --config=* | -config=* | -c=*) config=${config:-${1#*=}} ;;
      --config | -config | -c) config=${config:-${2:-}} ;;
    esac
    shift
  done
  [ -n "$found" ] || found=$(in_files "${config:-/etc/rancher/k3s/config.yaml}")
  [ -n "$found" ] || found=${K3S_DATA_DIR:-}
  if [ -z "$found" ]; then
    if [ "$(id -u)" = 0 ]; then found=/var/lib/rancher/k3s
    elif [ -n "${HOME:-}" ]; then found=$HOME/.rancher/k3s
    else fail 'no folder to unpack into: set HOME, K3S_DATA_DIR or --data-dir'
    fi
  fi
  case $found in /*) ;; *) found=$PWD/$found ;; esac
  echo "$found"
}

# The last "data-dir: PATH" of a configuration file and those beside it.
in_files() {
  for yaml in "$1" "$1".d/*.yaml "$1".d/*.yml; do
    [ ! -r "$yaml" ] || sed -n "s/^[\"']\{0,1\}data-dir[\"']\{0,1\}:[[:space:]]*[\"']\{0,1\}\([^\"'#]*[^\"'#[:space:]]\).*/\1/p" "$yaml"
  done | tail -n 1
}

# unpack FOLDER: makes FOLDER/$hash, whole or not at all.
unpack() {
  case $(uname -m) in x86_64 | amd64) here=amd64 ;; aarch64 | arm64) here=arm64 ;; *) here=$(uname -m) ;; esac
  [ $here = @ARCH@ ] || fail "$file is built for @ARCH@, this machine is $here: get the file for $here"
  export LC_ALL=C # of what is said
  temporary=$1/.$hash.$$
  trap 'rm -rf "$temporary" 2>/dev/null' EXIT
  trap 'exit 1' HUP INT TERM
  said=$(mkdir -p "$1" 2>&1 && mkdir "$temporary" 2>&1) || fail "cannot unpack into $1: $(reason "$said")"
  # Several first starts at once: one unpacks, the others wait for it.
  if command -v flock >/dev/null; then
    exec 9>>"$1/.lock"
    flock 9
    [ ! -x "$1/$hash/bin/node" ] || return 0
  fi
  # A pipe ends as its last part does; what gzip has found wrong may be in the very program that checks the rest.
  said=$({ tail -c +$offset "$file" | { gzip -dc || echo 'gzip: damaged' >&2; } | tar -x -f - -C "$temporary"; } 2>&1) ||
    fail "cannot unpack $file into $1: $(reason "$said")"
  case $said in *'gzip: damaged'*) fail "cannot unpack $file into $1: $(reason "$said")" ;; esac
  said=$("$temporary/bin/node" "$temporary/dist/settle.mjs" "$temporary" "$1" $hash 2>&1) ||
    fail "cannot unpack $file into $1: $(reason "$said")"
}

# reason TEXT: what to tell the user of what programs have said.
reason() {
  case $1 in
    *'tar: not found'* | *'gzip: not found'*) echo 'tar and gzip are needed: install them' ;;
    *'Read-only file system'* | *EROFS*) echo 'the file system is read-only: make it writable, or name another folder with --data-dir or K3S_DATA_DIR' ;;
    *'No space left'* | *ENOSPC*) echo "the disk is full: $megabytes MB are needed; make room, or name another folder with --data-dir or K3S_DATA_DIR" ;;
    *'Permission denied'* | *EACCES*) echo 'permission denied: run it as root, name another folder with --data-dir or K3S_DATA_DIR, or mount without noexec' ;;
    *'unexpected end'* | *'Unexpected EOF'* | *'not in gzip'* | *'invalid compressed'* | *damaged* | *'tar: '*) echo 'the file is damaged: get it again' ;;
    *'not found'* | *GLIBC* | *'shared librar'*) echo 'Node.js does not run on this machine: it needs glibc 2.28 and libstdc++' ;;
    *) echo "$1" | tail -n 1 ;;
  esac
}

for place in /var/lib/rancher/k3s "${K3S_DATA_DIR:-}"; do
  [ ! -x "$place/data/$hash/bin/node" ] || become "$place/data/$hash" "$@"
done
place=$(data_dir "$@") || exit 1
if [ ! -x "$place/data/$hash/bin/node" ]; then
  (unpack "$place/data") || exit 1
fi
become "$place/data/$hash" "$@"
exit 1
}
