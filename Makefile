# Everything a contributor runs; "make" alone lists it. The tools are pinned
# here and run through the go command, so nothing has to be installed but Go
# and PostgreSQL (15 or later; POOLKEEPER_PG_BIN names the folder of its
# binaries when they are not found by themselves).

GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
SQLC     := go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1

# All packages but the end-to-end tests.
UNIT = $(shell go list ./... | grep -v /integration)

# What to measure and how often; COUNT=10 gives benchstat enough to judge.
BENCH ?= .
COUNT ?= 1
PKG   ?= ./...
# How long each fuzz target runs.
FUZZTIME ?= 10s

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: check
check: fmt-check lint vet unit tidy-check ## before every commit: format, lint, vet, unit tests with -race, go.mod

.PHONY: fmt
fmt: ## format in place
	$(GOLANGCI) fmt

.PHONY: fmt-check
fmt-check: ## show what fmt would change, and fail if anything
	$(GOLANGCI) fmt --diff

.PHONY: lint
lint: ## the linters of .golangci.yaml
	$(GOLANGCI) config verify
	$(GOLANGCI) run

.PHONY: vet
vet: ## go vet, files behind build tags included
	go vet -tags clients,fetch,mutate,pgbouncer,redis,setuser ./...

.PHONY: tidy-check
tidy-check: ## go.mod and go.sum say exactly what is used
	go mod tidy -diff

.PHONY: test
test: ## all tests, as the README says it
	go test ./...

.PHONY: unit
unit: ## every package's own tests, with the race detector, in random order
	go test -race -shuffle=on $(UNIT)

.PHONY: integration
integration: ## end to end against a private PostgreSQL, with the race detector
	go test -race -shuffle=on -count=1 -timeout 15m ./integration/...

.PHONY: stress
stress: ## the long runs: random actions on a fake clock, many clients and tenants
	POOLKEEPER_STRESS=500 go test -race -count=1 -timeout 60m -run 'RandomActions|Model' ./pools
	go test -race -count=1 -timeout 60m -run Rules ./pools/budget -rapid.checks=5000
	POOLKEEPER_REQUESTS=50000 go test -count=1 -timeout 30m -run 'UnderLoad$$' ./integration
	POOLKEEPER_STEPS=all go test -count=1 -timeout 30m -run Killed ./onboard ./integration

.PHONY: mutate
mutate: ## break each invariant in turn and see that a test notices (an hour)
	go test -count=1 -timeout 120m -tags mutate ./internal/mutate

.PHONY: versions
versions: ## the tests on PostgreSQL 16 and 17, fetched with npm (20 minutes)
	.ci/versions

.PHONY: clients
clients: ## the published npm clients against a running server (needs node and npm)
	go test -count=1 -timeout 15m -tags clients ./integration/clients

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME each
	@go list ./... | while read -r pkg; do \
		go test -list '^Fuzz' "$$pkg" | grep '^Fuzz' | while read -r target; do \
			echo "$$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$pkg" || exit 1; \
		done || exit 1; \
	done

.PHONY: bench
bench: ## all ten figures against their baselines, into bench/results (BENCHFLAGS=-set-user ...)
	go run ./bench $(BENCHFLAGS)

.PHONY: bench-quick
bench-quick: ## figures 1, 2, 4 and 6 (uniform) in less than a minute, a line for each
	@go run ./bench -quick $(BENCHFLAGS)

.PHONY: microbench
microbench: ## Go benchmarks; BENCH=regexp PKG=./pools COUNT=10 for benchstat
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -timeout 60m $(PKG)

.PHONY: bench-compile
bench-compile: ## one iteration of every benchmark, so that none rots
	go test -run '^$$' -bench . -benchtime 1x ./...

.PHONY: generate
generate: ## write the generated files again
	cd examples/sqlc && $(SQLC) generate

.PHONY: generate-check
generate-check: ## fail when a generated file is not what its source says
	cd examples/sqlc && $(SQLC) diff

.PHONY: leak
leak: ## the demonstration: who mixes tenants up under load, and who does not
	go run ./examples/leak
