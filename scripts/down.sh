#!/usr/bin/env bash
# Stops the server `make up` started and removes what runs because of it: containers, mounts, interfaces, nftables tables.
# Data stays in the data-dir. For another data-dir: DATA_DIR=... RUN_DIR=... KUBELET_DIR=... scripts/down.sh
set -uo pipefail
data=${DATA_DIR:-/var/lib/rancher/k3s} runtime=${RUN_DIR:-/run/k3s} kubelet=${KUBELET_DIR:-/var/lib/kubelet} run=/run/skiff

stop() { # stop PID: ends a process, kindly first
  kill "$1" 2>/dev/null || return 0
  for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done
  kill -9 "$1" 2>/dev/null || true
}

ours() { # ours PID: whether it sees our mounts; a test cluster with the same paths does not
  [ "$(readlink "/proc/$1/ns/mnt")" = "$(readlink /proc/self/ns/mnt)" ]
}

[ -f "$run/server.pid" ] && stop "$(cat "$run/server.pid")"
rm -f "$run/server.pid"

# Containers first, by their pods' cgroups, so that nothing of them is left when the shims are gone.
for pod in "$kubelet"/pods/*; do
  [ -d "$pod" ] || continue
  find /sys/fs/cgroup -depth -type d -path "*pod$(basename "$pod")*" 2>/dev/null | while read -r cgroup; do
    for _ in $(seq 20); do
      [ -s "$cgroup/cgroup.procs" ] || break
      xargs -r kill -9 <"$cgroup/cgroup.procs" 2>/dev/null
      sleep 0.05
    done
    rmdir "$cgroup" 2>/dev/null || true
  done
done
for shim in $(pgrep -f "containerd-shim.*-address $runtime/containerd/containerd.sock"); do ours "$shim" && kill -9 "$shim" 2>/dev/null; done
for daemon in $(pgrep -f "containerd .*$data/agent/etc/containerd/config.toml"); do ours "$daemon" && stop "$daemon"; done

# Deepest mounts first; nothing is removed while something is mounted in it.
awk '{print $5}' /proc/self/mountinfo | grep -E "^($runtime/|$data/agent/|$kubelet/)" | sort -r |
  while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null || true; done
# The CNI cache knows which network namespaces are our pods'.
for netns in $(grep -ohs 'netns/cni-[0-9a-f-]*' /var/lib/cni/results/cbr0-* | sort -u); do
  umount "/run/$netns" 2>/dev/null || true
  rm -f "/run/$netns"
done
for port in $(ip -o link show master cni0 2>/dev/null | awk -F': ' '{print $2}' | cut -d@ -f1); do ip link delete "$port" 2>/dev/null || true; done
for link in cni0 flannel.1 flannel-wg; do ip link delete "$link" 2>/dev/null || true; done
nft list tables 2>/dev/null | awk '$3 ~ /^skiff/ {print $2, $3}' | while read -r family table; do nft delete table "$family" "$table"; done
# The portmap plugin's chains.
if command -v iptables-save >/dev/null && iptables-save 2>/dev/null | grep -q CNI-; then
  iptables-save | grep -v -e CNI- -e cbr0 | iptables-restore
fi
rm -rf "$runtime/containerd" /var/lib/cni/networks/cbr0 /var/lib/cni/results/cbr0-*
findmnt -rn -o TARGET | grep -q "^$kubelet/" || rm -rf "$kubelet/pods" "$kubelet/memory"
echo "Skiff is down. Its data stays in $data."
