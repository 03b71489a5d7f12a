# Skiff: make up, make test. Everything else is in CONTRIBUTING.md.
# The text behind ## is what `make help` shows of a target.
SHELL := bash
NODE := .tools/node/bin/node
export PATH := $(CURDIR)/.tools/node/bin:$(PATH)

.PHONY: help setup up down cluster cluster-down cluster-list cluster-import cluster-shell release upgrade-image test lint typecheck bench

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

setup: ## install what is missing (Debian packages, Node 24, npm packages), build
	@scripts/setup.sh

up: setup ## start a cluster on this machine
	@scripts/up.sh

down: ## stop it; the data stays
	@scripts/down.sh

# NODES=3 AGENTS=2 NAME=dev DATASTORE=... FLAGS=... : docs/clusters.md
cluster: setup ## start a cluster of several machines inside this one: NODES=3 AGENTS=2 NAME=dev
	@$(NODE) scripts/cluster.ts up

cluster-down: ## end it
	@$(NODE) scripts/cluster.ts down

cluster-list: ## clusters and their machines
	@$(NODE) scripts/cluster.ts list

cluster-import: ## FILES=image.tar for all its machines
	@$(NODE) scripts/cluster.ts import $(FILES)

cluster-shell: ## a shell on one of its machines
	@shell=$$($(NODE) scripts/cluster.ts shell) && eval "$$shell"

# VERSION=v1.36.4+skiff2 ARCH=arm64 : docs/install.md
release: setup ## dist/skiff, the one file to install: VERSION=v1.36.4+skiff2 ARCH=arm64
	@$(NODE) scripts/release/main.ts

# The image that Plans upgrade nodes with, of dist/skiff; RELEASE= another file, REPOSITORY= another name: docs/upgrades.md
upgrade-image: setup ## the image that Plans upgrade nodes with, of dist/skiff
	@$(NODE) upgrade/build.ts $(if $(RELEASE),--release $(RELEASE)) $(if $(REPOSITORY),--repository $(REPOSITORY))

lint: setup ## formatting, lint rules, import rules
	@npm run --silent lint

typecheck: setup ## strict TypeScript
	@npm run --silent typecheck

test: setup ## every test
	@scripts/s3-server.sh
	@$(NODE) scripts/test.ts

bench: setup ## the figures
	@$(NODE) test/bench/run.ts
