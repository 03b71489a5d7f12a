#!/bin/sh
# What the upgrade image runs on a node, with the contract of rancher/k3s-upgrade:
#   upgrade        replaces the release file that the running server or agent was started from by this image's, then ends
#                  that process: its service starts it again, now from the new file
#   prepare PLAN   waits until PLAN has upgraded the control plane
# An upgrade needs a privileged pod with the host's process ids and the host's root at /host. The file is replaced by a
# rename in its own folder: whoever has the old one open keeps it, and a power cut leaves one of the two, whole.
set -eu

new=${RELEASE_FILE-/opt/k3s}
host=${HOST_ROOT-/host}
# How long the old process may take to end; systemd's own patience with a stop is 90 s.
patience=${STOP_SECONDS-90}

info() { echo "[INFO]  $*"; }
fatal() {
  echo "[ERROR] $*" >&2
  # What `kubectl describe pod` shows of a failed container.
  echo "$*" >/dev/termination-log 2>/dev/null || true
  exit 1
}

on_host() { chroot "${host:-/}" "$@"; }

words_of() { tr '\0' ' ' <"$host/proc/$1/cmdline" 2>/dev/null || true; }

# Whether the command line given as words is that of a server or an agent: "k3s server", or "node OPTIONS skiff.mjs server".
is_ours() {
  case ${1##*/} in k3s | skiff) in_program=yes ;; node) in_program= ;; *) return 1 ;; esac
  shift
  for word; do
    case $word in
      -*) ;;
      */skiff.mjs | */agent.mjs) in_program=yes ;;
      server | agent) [ "$in_program" ] && return 0 || return 1 ;;
      *) return 1 ;;
    esac
  done
  return 1
}

# A variable of a process as it was started.
variable_of() { tr '\0' '\n' <"$host/proc/$1/environ" 2>/dev/null | sed -n "s/^$2=//p" | head -n 1; }

# Sets $pid and $file. Copies that run in containers of this host have process ids of their own and do not count.
find_process() {
  [ -d "$host/proc/1" ] || fatal "no processes at $host/proc: the pod needs the host's root there and hostPID"
  ours=$(readlink "$host/proc/1/ns/pid") || fatal "may not look at process 1 of the host: the pod must be privileged"
  [ "$(readlink /proc/self/ns/pid)" = "$ours" ] || fatal "the pod needs hostPID: true"
  pids=
  for folder in "$host"/proc/[0-9]*; do
    number=${folder##*/}
    set -f
    # shellcheck disable=SC2046
    set -- $(words_of "$number")
    set +f
    if [ $# -gt 0 ] && is_ours "$@" && [ "$(readlink "$folder/ns/pid" || true)" = "$ours" ]; then
      pids="$pids $number"
    fi
  done
  # A process that supervises another of its kind comes with it, and is the one to end.
  for number in $pids; do
    parent=$(awk '$1 == "PPid:" { print $2 }' "$host/proc/$number/status" || true)
    case " $pids " in *" $parent "*) pids=$(echo " $pids " | sed "s/ $number / /") ;; esac
  done
  # shellcheck disable=SC2086
  set -- $pids
  [ $# -gt 0 ] || fatal "no server or agent runs on this host"
  [ $# -eq 1 ] || fatal "several servers or agents run on this host: processes$(printf ' %s' "$@")"
  pid=$1
  file=$(started_from "$pid")
  # A link (k3s to skiff) stays one: the file behind it is replaced.
  file=$(on_host readlink -f "$file") || fatal "cannot find the file $file of process $pid on the host"
  [ -f "$host$file" ] || fatal "$file, which process $pid was started from, is no file on the host"
  info "process $pid runs $file"
}

# Skiff's release file names itself in the environment, K3s' is the first word of the command line.
started_from() {
  path=$(variable_of "$1" SKIFF_FILE)
  [ -n "$path" ] || path=$(words_of "$1" | cut -d ' ' -f 1)
  case $path in
    node | */node) fatal "process $1 runs from a source tree: there is no release file to replace" ;;
    /*) echo "$path" ;;
    *) fatal "process $1 was started as \"$path\": a path from / is needed to find its file" ;;
  esac
}

checksum() { sha256sum "$1" | cut -d ' ' -f 1; }

# Whether the host's file is the new one already; files of different sizes need not be read.
is_new() { [ "$(stat -c %s "$host$file")" = "$(stat -L -c %s "$new")" ] && [ "$(checksum "$host$file")" = "$new_sum" ]; }

# What a release file of Skiff says of itself in its third line: "# version=v1.36.4+skiff1 ... built=2026-11-20T10:00:00Z".
about() { head -n 3 "$1" | tr -d '\0' | sed -n "s/^# .*\b$2=\([^ ]*\).*/\1/p"; }

# The same of any release file, given as the host's path; K3s' own has to be run for it. Empty where it does not say.
version_of() {
  version=$(about "$host$1" version)
  [ -n "$version" ] || version=$(on_host timeout 60 "$1" --version 2>/dev/null | sed -n '1s/.* version \([^ ]*\).*/\1/p' || true)
  echo "$version"
}
date_of() {
  date=$(about "$host$1" built)
  [ -n "$date" ] || date=$(on_host timeout 60 "$1" kubectl version --client=true -o yaml 2>/dev/null |
    sed -n 's/.*buildDate: *"\([^"]*\)".*/\1/p' || true)
  echo "$date"
}

# 1.36.4 as a number that can be compared, 2026-11 likewise; empty for what has none.
version_number() { echo "${1#v}" | sed 's/[^0-9.].*//' | awk -F. 'NF == 3 { print $1 * 1000000 + $2 * 1000 + $3 }'; }
month_number() { echo "$1" | sed -n 's/^\([0-9]\{4\}\)-\([0-9]\{2\}\).*/\1\2/p'; }

# Releases of all minor versions come out together each month, so an older month is an older release.
refuse_downgrade() {
  candidate=$1
  old_version=$(version_of "$file") new_version=$(version_of "$candidate")
  [ -n "$new_version" ] || fatal "the new file does not say its version"
  if [ -z "$old_version" ]; then
    info "the present file does not say its version"
    return
  fi
  old_number=$(version_number "$old_version") new_number=$(version_number "$new_version")
  if [ -n "$old_number" ] && [ -n "$new_number" ] && [ "$old_number" -gt "$new_number" ]; then
    fatal "refused: $old_version runs here, and $new_version is older"
  fi
  old_date=$(date_of "$file") new_date=$(date_of "$candidate")
  old_month=$(month_number "$old_date") new_month=$(month_number "$new_date")
  if [ -n "$old_month" ] && [ -n "$new_month" ] && [ "$old_month" -gt "$new_month" ]; then
    fatal "refused: $old_version here was built on $old_date, later than $new_version on $new_date"
  fi
  info "$old_version is replaced by $new_version"
}

# The new file unpacks itself where the old one did, so that the restart need not, and shows that it runs on this host.
try_file() {
  program=$(readlink "$host/proc/$pid/exe" || true)
  case $program in
    */data/*/bin/*) set -- "$1" --data-dir "${program%/data/*/bin/*}" ;;
  esac
  tried=$1
  shift
  said=$(on_host timeout 300 "$tried" --version "$@" 2>&1) ||
    fatal "the new file does not run on this host: $(echo "$said" | tail -n 1)"
}

# The context of the old file. Where SELinux decides, a file without it would not be allowed to do its work.
keep_context() {
  if [ -e "$host/sys/fs/selinux/enforce" ]; then
    chcon --reference="$1" "$2" || fatal "cannot give the new file the SELinux context of $file"
  else
    chcon --reference="$1" "$2" 2>/dev/null || true
  fi
}

replace_file() {
  target=$host$file copy=$file.upgrade
  trap 'rm -f "$host$copy"' EXIT
  info "copying the new file beside $file"
  # In order: data on disk, then the name; else a power cut could leave a file without content.
  dd if="$new" of="$host$copy" bs=1M conv=fsync 2>/dev/null || fatal "cannot write $copy: is the disk full or read-only?"
  [ "$(checksum "$host$copy")" = "$new_sum" ] || fatal "$copy differs from what was written"
  chmod 0755 "$host$copy"
  refuse_downgrade "$copy"
  try_file "$copy"
  chown "$(stat -c %u:%g "$target")" "$host$copy"
  chmod "$(stat -c %a "$target")" "$host$copy"
  keep_context "$target" "$host$copy"
  mv -f "$host$copy" "$target"
  trap - EXIT
  sync
  info "$file has been replaced"
}

# Whether the process began before its file got its present name: an earlier attempt did not come to its end.
is_outdated() {
  boot=$(awk '$1 == "btime" { print $2 }' "$host/proc/stat")
  ticks=$(sed 's/.*) //' "$host/proc/$pid/stat" | cut -d ' ' -f 20)
  # Both are rounded; the kernel counts processes' ages in hundredths of seconds everywhere.
  [ $((boot + ticks / 100 + 1)) -lt "$(stat -c %Z "$host$file")" ]
}

end_process() {
  kill -TERM "$pid" || fatal "cannot end process $pid"
  looks=0
  while [ -d "$host/proc/$pid" ] && ! grep -q '^State:.*Z' "$host/proc/$pid/status" 2>/dev/null; do
    [ "$looks" -lt $((patience * 10)) ] || fatal "process $pid was asked to end and still runs after $patience s"
    sleep 0.1
    looks=$((looks + 1))
  done
  info "process $pid has ended: its service starts the new file"
}

upgrade() {
  [ -f "$new" ] || fatal "this image has no $new"
  find_process
  new_sum=$(checksum "$new")
  if ! is_new; then
    replace_file
  elif is_outdated; then
    info "$file has been replaced before, but process $pid is older"
  else
    info "$file is this version already: nothing to do"
    return
  fi
  end_process
}

prepare() {
  [ -n "${1-}" ] || fatal "prepare: the name of the control plane's Plan is missing: want args: [prepare, server-plan]"
  exec "$new" prepare-upgrade "$1"
}

command=${1-}
case $command in
  upgrade | prepare)
    shift
    "$command" "$@"
    ;;
  *) fatal "\"$command\" is no command of this image: want upgrade, or prepare PLAN" ;;
esac
