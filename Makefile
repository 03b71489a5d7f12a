# Skiff: make up, make test. Everything else is in CONTRIBUTING.md.
SHELL := bash
NODE := .tools/node/bin/node
export PATH := $(CURDIR)/.tools/node/bin:$(PATH)

.PHONY: setup up down test lint typecheck bench

setup:
	@scripts/setup.sh

up: setup
	@scripts/up.sh

down:
	@scripts/down.sh

lint: setup
	@npm run --silent lint

typecheck: setup
	@npm run --silent typecheck

test: setup
	@$(NODE) scripts/test.ts

bench: setup
	@$(NODE) test/bench/run.ts
