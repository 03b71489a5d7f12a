#!/bin/sh
# systemd's part for one unit with Restart=always and KillMode=process, where there is no systemd: service.sh SECONDS COMMAND...
# Whenever the command ends it is started again after SECONDS (RestartSec), from what is then at its path. Asked to end, this
# ends the command first, and with its exit code.
seconds=$1 main=
shift

stop() {
  trap '' TERM INT
  [ -n "$main" ] || exit 0
  kill -TERM "$main"
  wait "$main"
  exit $?
}
trap stop TERM INT

while :; do
  setpriv --pdeathsig KILL "$@" &
  main=$!
  wait "$main"
  code=$?
  main=
  echo "service: the process ended with $code and starts again in $seconds s" >&2
  sleep "$seconds" &
  wait $!
done
