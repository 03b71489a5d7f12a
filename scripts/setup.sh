#!/usr/bin/env bash
# Installs what Skiff needs and is missing, then builds: Debian packages, Node 24 (from npm), a kubectl, npm packages.
# Safe to repeat; does nothing that is done already.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/.tools

say() { echo "setup: $*"; }

debian_packages() {
  local wanted=(containerd runc crun containernetworking-plugins nftables iproute2 iptables conntrack catatonit busybox-static
    util-linux procps iputils-ping socat iperf3 wireguard-tools wireguard-go openssl ca-certificates haproxy curl dnsutils apache2-utils wrk
    postgresql mariadb-server-core etcd-server etcd-client libfaketime) missing=()
  local name
  for name in "${wanted[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null || { echo "setup: please install: ${missing[*]}" >&2; exit 1; }
  say "installing ${missing[*]}"
  apt-get update -qq
  # A package must not start services of its own here: Skiff runs its own containerd.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  # Skiff runs an etcd of its own, on the same ports.
  [[ " ${missing[*]} " != *" etcd-server "* ]] || systemctl disable --now etcd >/dev/null 2>&1 || true
}

node_version=24.21.0

node_24() {
  if [ -x "$tools/node/bin/node" ]; then
    # Of the npm package, and without its licence, as earlier set-ups left it: a release has the licence with it.
    if [ -L "$tools/node/bin/node" ] || [ -s "$tools/node/LICENSE" ]; then return; fi
    node_version=$("$tools/node/bin/node" --version)
    node_version=${node_version#v}
    fetch_node LICENSE
    return
  fi
  local have
  have=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/') || true
  if [ "${have:-0}" -ge 24 ]; then
    mkdir -p "$tools/node/bin"
    ln -sf "$(command -v node)" "$tools/node/bin/node"
    return
  fi
  fetch_node bin/node LICENSE
}

# fetch_node FILE...: these of Node's npm package, in .tools/node.
fetch_node() {
  command -v npm >/dev/null || { echo "setup: npm is needed to fetch Node 24: install Debian's npm first" >&2; exit 1; }
  say "fetching Node $node_version from npm"
  local arch work file
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) echo "setup: no Node package for $(uname -m)" >&2; exit 1 ;; esac
  work=$(mktemp -d)
  npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" "node-linux-$arch@$node_version"
  mkdir -p "$tools/node/bin"
  for file in "$@"; do mv "$work/node_modules/node-linux-$arch/$file" "$tools/node/$file"; done
  rm -rf "$work"
}

# A kubectl: the one on PATH, else the distribution's, else the package of a newer Debian.
kubectl() {
  command -v kubectl >/dev/null && return
  [ -x "$tools/bin/kubectl" ] && return
  if apt-cache show kubectl >/dev/null 2>&1; then
    say "installing kubectl"
    apt-get install -y -qq --no-install-recommends kubectl >/dev/null
    return
  fi
  say "fetching kubectl from a newer Debian"
  scripts/debian-package.sh trixie kubectl "$tools/kubectl-package" >/dev/null
  mkdir -p "$tools/bin"
  mv "$tools/kubectl-package/usr/bin/kubectl" "$tools/bin/kubectl"
  rm -rf "$tools/kubectl-package"
}

npm_packages() {
  local stamp=node_modules/.setup-stamp
  [ -f "$stamp" ] && cmp -s package-lock.json "$stamp" && return
  say "installing npm packages"
  # A registry without the optional packages of other platforms makes a lock file that `npm ci` finds incomplete.
  # Install scripts are not needed: what is native comes prebuilt.
  local install=(npm install --no-save --ignore-scripts --silent --no-audit --no-fund)
  PATH="$tools/node/bin:$PATH" "${install[@]}"
  cp package-lock.json "$stamp"
}

build() {
  PATH="$tools/node/bin:$PATH"
  node scripts/build-types.ts
  node scripts/build-schema.ts
  node scripts/build.ts
}

debian_packages
node_24
kubectl
npm_packages
build
