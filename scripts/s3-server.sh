#!/usr/bin/env bash
# Installs the S3 server that tests use, Debian's radosgw, where its tool lies beside the project. Without, those tests skip.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=../shared/tools/s3-server
[ -x "$tool" ] && [ ! -x /usr/bin/radosgw ] || exit 0
echo "setup: installing radosgw, the S3 server of tests"
apt-get update -qq || true
"$tool" install || echo "setup: no radosgw here; tests with S3 skip" >&2
