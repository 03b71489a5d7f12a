#!/usr/bin/env bash
# Builds real programs of others that some tests compare with or run against, where a Go toolchain and its module proxy
# are at hand: kube-apiserver and Helm 4. Tests that want them skip without. Usage: scripts/oracles.sh
set -euo pipefail
cd "$(dirname "$0")/.."
target=$PWD/.tools/test
kubernetes=v1.36.3
helm=v4.1.4

command -v go >/dev/null || { echo "oracles: no Go toolchain, nothing to build"; exit 0; }
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

build() { # file below .tools/test, package
  [ -x "$target/$1" ] && return
  echo "oracles: building $1"
  mkdir -p "$target/$(dirname "$1")"
  nice go build -o "$target/$1" "$2"
}

# Kubernetes names its own parts as v0.0.0, to be replaced by what lies beside it: here by their published versions.
kubernetes_module() {
  local source
  source=$(go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
  { echo "module oracles"; grep '^go ' "$source"; echo "require k8s.io/kubernetes $kubernetes"
    sed -n 's/^\s*\(k8s.io\/[a-z-]*\) => .*/replace \1 => \1 v0.'"${kubernetes#v1.}"'/p' "$source"; } >go.mod
}

mkdir "$work/kubernetes" "$work/helm"
cd "$work/kubernetes"
kubernetes_module
build kube-apiserver/kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
cd "$work/helm"
{ echo "module oracles"; echo "go 1.24"; echo "require helm.sh/helm/v4 $helm"; } >go.mod
build helm4/helm helm.sh/helm/v4/cmd/helm
