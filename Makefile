# Bulkhead: `make help` lists the targets.

GO           ?= go
BIN          := bin
STATICCHECK  := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PROTOC_GEN_GO      := google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PROTOC_GEN_GO_GRPC := google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
FUZZTIME     ?= 60s
DURATION     ?= 60s
PREFIX       ?= /usr/local

.DEFAULT_GOAL := help
.PHONY: help build build-arm64 install run supervisor server client test test-unit test-isolation test-faults chaos race bench bench-fio fuzz lint proto check-proto ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the programs into bin/
	@CGO_ENABLED=0 $(GO) build -o $(BIN)/ ./cmd/bulkhead ./cmd/bulkhead-handler

build-arm64: ## build the programs for arm64 into bin/arm64/
	@CGO_ENABLED=0 GOARCH=arm64 $(GO) build -o $(BIN)/arm64/ ./cmd/bulkhead ./cmd/bulkhead-handler

install: build ## install the programs into PREFIX/bin (default /usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(BIN)/bulkhead $(BIN)/bulkhead-handler $(DESTDIR)$(PREFIX)/bin/

run: build ## the main job on this machine: a supervisor, three clients, the report
	@$(GO) run ./internal/tools/demo -bin $(BIN)

supervisor server: build ## start a supervisor from configs/supervisor.yaml
	$(BIN)/bulkhead supervisor start --config configs/supervisor.yaml

client: build ## start a client from configs/client.yaml
	$(BIN)/bulkhead client --config configs/client.yaml

test: test-unit test-isolation test-faults ## run all tests

test-unit: ## run the tests of the packages alone
	$(GO) test $$($(GO) list ./... | grep -v -e /internal/testing/isolation -e /internal/testing/faults)

test-isolation: ## run the process-isolation tests, with real processes
	$(GO) test -count=1 ./internal/testing/isolation/

test-faults: ## break every part at every moment: fault matrix, crash points, short chaos
	$(GO) test -count=1 -parallel 4 -timeout 20m ./internal/testing/faults/

chaos: ## break everything at random for DURATION (default 60s), by SEED (default: a new one)
	@seed="$(SEED)"; : "$${seed:=$$(date +%s)}"; echo "seed $$seed"; \
	$(GO) test -count=1 -timeout 0 -v -run '^TestChaos$$' ./internal/testing/faults/ -args -chaos.seed "$$seed" -chaos.duration "$(DURATION)"

race: ## run what is concurrent in Go under the race detector: not the fault matrix, pages, blocks of data
	GORACE="atexit_sleep_ms=10 $$GORACE" $(GO) test -race -short -vet=off -count=1 -timeout 20m $$($(GO) list ./... | grep -v -e /internal/testing/faults -e /client/block)

bench: build ## measure what docs/benchmarks.md states
	@$(GO) run ./internal/tools/bench -bin $(BIN)

bench-fio: build ## consumers beside fio, in pairs: ROUNDS of them (default 3, some 8 minutes), CELLS by a regular expression
	@$(GO) run ./internal/tools/bench -bin $(BIN) -only d -rounds "$(or $(ROUNDS),3)" -cells "$(CELLS)"

fuzz: ## fuzz every target for FUZZTIME each (default 60s)
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" $(SHELL) internal/tools/fuzz.sh

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

proto: ## generate Go from proto/ (needs protoc)
	@$(SHELL) internal/tools/generate-proto.sh $(PROTOC_GEN_GO) $(PROTOC_GEN_GO_GRPC) .

check-proto: ## fail if the generated Go is stale (needs protoc)
	@out=$$(mktemp -d) && trap 'rm -rf "$$out"' EXIT && \
	$(SHELL) internal/tools/generate-proto.sh $(PROTOC_GEN_GO) $(PROTOC_GEN_GO_GRPC) "$$out" && \
	diff -r -x '*.proto' proto "$$out/proto" && echo "generated code is up to date"

ci: lint build build-arm64 check-proto test race ## everything CI runs
	@$(MAKE) --no-print-directory fuzz FUZZTIME=3s

clean: ## remove what the targets above made
	rm -rf $(BIN) bulkhead-state bulkhead-data
