#!/usr/bin/env bash
# Stops the server `make up` started and removes what runs because of it: containers, mounts, interfaces, nftables tables.
# Data stays in the data-dir. For another data-dir: DATA_DIR=... RUN_DIR=... scripts/down.sh
set -uo pipefail
data=${DATA_DIR:-/var/lib/rancher/k3s} runtime=${RUN_DIR:-/run/k3s} run=/run/skiff

stop() { # stop PID: ends a process, kindly first
  kill "$1" 2>/dev/null || return 0
  for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done
  kill -9 "$1" 2>/dev/null || true
}

[ -f "$run/server.pid" ] && stop "$(cat "$run/server.pid")"
rm -f "$run/server.pid"

# Shims hold the containers; those of this runtime carry its socket on their command line.
shims=$(pgrep -f "containerd-shim.*-address $runtime/containerd/containerd.sock" || true)
for shim in $shims; do
  pkill -9 -P "$shim" 2>/dev/null || true
  kill -9 "$shim" 2>/dev/null || true
done
for pid in $(pgrep -f "containerd .*$data/agent/etc/containerd/config.toml" || true); do stop "$pid"; done

# Deepest mounts first; never remove a folder while something is mounted in it.
awk '{print $5}' /proc/self/mountinfo | grep -E "^($runtime/|$data/agent/|/var/lib/kubelet/pods/|/run/netns/cni-)" | sort -r |
  while read -r mount; do umount -l "$mount" 2>/dev/null || true; done
for netns in /run/netns/cni-*; do [ -e "$netns" ] && ip netns delete "$(basename "$netns")" 2>/dev/null; done
ip -o link show 2>/dev/null | awk -F': ' '/master cni0/ {print $2}' | cut -d@ -f1 | while read -r link; do ip link delete "$link" 2>/dev/null || true; done
for link in cni0 flannel.1 flannel-wg; do ip link delete "$link" 2>/dev/null || true; done
for table in $(nft list tables 2>/dev/null | awk '$3 ~ /^skiff/ {print $2 ":" $3}'); do nft delete table "${table%%:*}" "${table##*:}"; done
rm -rf "$runtime/containerd" /var/lib/cni/networks/cbr0
echo "Skiff is down. Its data stays in $data."
