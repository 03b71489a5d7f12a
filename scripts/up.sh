#!/usr/bin/env bash
# Starts a server in the background with K3s' defaults and ends with a Ready node. Flags are passed on to `skiff server`.
set -euo pipefail
cd "$(dirname "$0")/.."
run=/run/skiff log=/var/log/skiff.log kubeconfig=/etc/rancher/k3s/k3s.yaml
mkdir -p "$run"

if [ -f "$run/server.pid" ] && kill -0 "$(cat "$run/server.pid")" 2>/dev/null; then
  echo "Skiff is running already (pid $(cat "$run/server.pid"))."
else
  setsid bin/skiff server "$@" >>"$log" 2>&1 </dev/null &
  echo $! >"$run/server.pid"
fi
pid=$(cat "$run/server.pid")
deadline=$((SECONDS + 90))
until [ -s "$kubeconfig" ] && bin/skiff kubectl wait --for=condition=Ready node --all --timeout=5s >/dev/null 2>&1; do
  if ! kill -0 "$pid" 2>/dev/null; then
    echo "The server ended; its last lines in $log:" >&2
    tail -n 5 "$log" >&2
    exit 1
  fi
  [ $SECONDS -lt $deadline ] || { echo "No Ready node after 90 s; see $log" >&2; exit 1; }
  sleep 0.2
done
bin/skiff kubectl get nodes
cat <<TEXT

Skiff is up.
  kubeconfig   $kubeconfig        (export KUBECONFIG=$kubeconfig)
  log          $log
  manifests    /var/lib/rancher/k3s/server/manifests   (files dropped there are applied)

Try:
  bin/skiff kubectl get pods -A
  bin/skiff kubectl create namespace hello
  cp examples/hello.yaml /var/lib/rancher/k3s/server/manifests/
  make down
TEXT
