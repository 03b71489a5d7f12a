#!/bin/sh
# Makes a machine of its own inside this one and stays as its first process; when that ends, the kernel ends everything in
# it: processes, containers, mounts and network namespaces. Started by bed.ts as
#   setpriv --pdeathsig KILL unshare --mount --propagation private --net --uts --pid --fork --kill-child
#     bed.sh NAME DIR HOSTNAME [HOST NETWORK]
# DIR is a folder on a real file system. The only other thing it leaves is the cgroup /NAME, for the caller to remove.
# With HOST and NETWORK it is 198.51.100.HOST and 2001:db8:100::HOST on the bridge of the network (network.ts) that the
# process NETWORK holds; else it has a network of its own, where it is 198.51.100.10.
# With INIT=systemd in the environment its first process is systemd, which runs nothing but what is installed inside.
# Prints "PID OUTSIDE": the first process as the outer machine sees it, and the one that holds the outside of a network of
# its own as this machine sees it.
set -eu
name=$1 dir=$2 hostname=$3 host=${4:-} network=${5:-} step=${6:-}
hierarchies=$(awk '$0 ~ / - cgroup2? / { n = split($0, part, " - "); split(part[n], fs, " "); print $5, fs[1], fs[3] }' /proc/self/mountinfo)

# A cgroup of its own in every hierarchy becomes the root of what is seen here (the caller's controllers, v1, v2 or both).
enter_cgroups() {
  echo "$hierarchies" | while read -r path type _; do
    mkdir -p "$path/$name"
    if [ "$type" = cgroup2 ]; then
      for controller in $(cat "$path/cgroup.controllers"); do
        echo "+$controller" >"$path/cgroup.subtree_control" || true
      done
    elif [ -f "$path/cpuset.cpus" ]; then
      for file in cpuset.cpus cpuset.mems; do cat "$path/$file" >"$path/$name/$file"; done
    fi
    echo $$ >"$path/$name/cgroup.procs"
  done
}

mount_cgroups() {
  [ "$(echo "$hierarchies" | awk '{ print $1; exit }')" = /sys/fs/cgroup ] || mount -t tmpfs tmpfs /sys/fs/cgroup
  echo "$hierarchies" | while read -r path type options; do
    mkdir -p "$path"
    case $type in
      cgroup2) mount -t cgroup2 cgroup2 "$path" ;;
      *) mount -t cgroup -o "${options#rw,}" cgroup "$path" ;;
    esac
    # On v2 a cgroup with processes cannot have children with controllers.
    mkdir -p "$path/init"
    [ ! -f "$path/cpuset.cpus" ] || for file in cpuset.cpus cpuset.mems; do cat "$path/$file" >"$path/init/$file"; done
    echo $$ >"$path/init/cgroup.procs"
  done
}

# Copies of this machine's container mounts would keep them busy.
drop_foreign_mounts() {
  awk '$5 != "/" && ($5 ~ "^/(run|var/lib|var/log)/" || / - (overlay|nsfs) /) { print $5 }' /proc/self/mountinfo | sort -r |
    while read -r path; do umount -l "$path" || true; done
}

# What is written to /etc, /var/lib and /var/log stays in DIR; state that real file systems hold lies in DIR directly.
mount_files() {
  drop_foreign_mounts
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount_cgroups
  mount -t tmpfs -o mode=0755 tmpfs /run
  mkdir -p /run/netns
  for path in etc var/lib var/log; do
    mkdir -p "$dir/layers/$path" "$dir/work/$path"
    mount -t overlay -o "lowerdir=/$path,upperdir=$dir/layers/$path,workdir=$dir/work/$path" overlay "/$path"
  done
  while read -r path own; do
    mkdir -p "$path" "$dir/$own"
    mount --bind "$dir/$own" "$path"
  done <<LIST
/etc/rancher rancher
/etc/cni cni-config
/var/lib/rancher state
/var/lib/cni cni
/var/lib/kubelet kubelet
/var/log/pods pods
/var/log/containers containers
LIST
  mount --make-rshared /
  rm -f /etc/resolv.conf
  echo 'nameserver 198.51.100.1' >/etc/resolv.conf
}

# 198.51.100.10 is the node; 198.51.100.1, its default route, an external client in a network namespace of its own.
connect() {
  unshare --net sleep infinity &
  outside=$!
  until [ "$(readlink "/proc/$outside/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
  ip link add eth0 type veth peer name eth0 netns "$outside"
  ip addr add 198.51.100.10/24 dev eth0
  ip link set eth0 up
  nsenter --net="/proc/$outside/ns/net" sh -ec '
    ip link set lo up; ip addr add 198.51.100.1/24 dev eth0; ip link set eth0 up'
  ip route add default via 198.51.100.1
}

# A port of the network's bridge; needs the outer machine's /proc.
join_network() {
  # That of a machine that lost power may not have gone yet.
  nsenter --net="/proc/$network/ns/net" ip link del "port$host" 2>/dev/null || true
  # The same address of its card after a reboot: the others remember it.
  ip link add eth0 address "$(printf '02:00:c6:33:64:%02x' "$host")" type veth peer name "port$host" netns "/proc/$network/ns/net"
  nsenter --net="/proc/$network/ns/net" ip link set "port$host" master bridge up
  ip addr add "198.51.100.$host/24" dev eth0
  ip addr add "2001:db8:100::$host/64" dev eth0 nodad
  ip link set eth0 up
  ip route add default via 198.51.100.1
  ip -6 route add default via 2001:db8:100::1
}

# No unit of this machine's own, and of systemd's those alone without which it starts none.
prepare_systemd() {
  rm -rf /etc/systemd/system
  mkdir -p /etc/systemd/system /run/units
  echo "$hostname" >/etc/hostname
  for target in default sysinit basic shutdown multi-user; do
    printf '[Unit]\nDefaultDependencies=no\n' >"/run/units/$target.target"
  done
  printf 'Wants=multi-user.target\nAfter=multi-user.target\n' >>/run/units/default.target
}

case $step in
  '')
    read -r pid _ </proc/self/stat
    enter_cgroups
    ip link set lo up
    [ -z "$network" ] || join_network
    exec unshare --cgroup "$0" "$name" "$dir" "$hostname" "$host" "$network" "$pid"
    ;;
  *)
    mount_files
    hostname "$hostname"
    [ -n "$network" ] || connect
    [ "${INIT:-}" != systemd ] || prepare_systemd
    echo "$step ${outside:-}"
    [ "${INIT:-}" != systemd ] ||
      exec env -i container=bed PATH="$PATH" SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/units /lib/systemd/systemd --system </dev/null >/run/systemd.log 2>&1
    exec catatonit -P
    ;;
esac
