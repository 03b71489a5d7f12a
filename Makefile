# Skiff: make up, make test. Everything else is in CONTRIBUTING.md.
SHELL := bash
NODE := .tools/node/bin/node
export PATH := $(CURDIR)/.tools/node/bin:$(PATH)

.PHONY: setup up down cluster cluster-down cluster-list cluster-import cluster-shell release upgrade-image test lint typecheck bench

setup:
	@scripts/setup.sh

up: setup
	@scripts/up.sh

down:
	@scripts/down.sh

# NODES=3 AGENTS=2 NAME=dev DATASTORE=... FLAGS=... : docs/clusters.md
cluster: setup
	@$(NODE) scripts/cluster.ts up

cluster-down:
	@$(NODE) scripts/cluster.ts down

cluster-list:
	@$(NODE) scripts/cluster.ts list

cluster-import:
	@$(NODE) scripts/cluster.ts import $(FILES)

cluster-shell:
	@shell=$$($(NODE) scripts/cluster.ts shell) && eval "$$shell"

# VERSION=v1.36.4+skiff2 ARCH=arm64 : docs/install.md
release: setup
	@$(NODE) scripts/release/main.ts

# The image that Plans upgrade nodes with, of dist/skiff; RELEASE= another file, REPOSITORY= another name: docs/upgrades.md
upgrade-image: setup
	@$(NODE) upgrade/build.ts $(if $(RELEASE),--release $(RELEASE)) $(if $(REPOSITORY),--repository $(REPOSITORY))

lint: setup
	@npm run --silent lint

typecheck: setup
	@npm run --silent typecheck

test: setup
	@scripts/s3-server.sh
	@$(NODE) scripts/test.ts

bench: setup
	@$(NODE) test/bench/run.ts
