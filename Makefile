# Bulkhead: `make help` lists the targets.

GO           ?= go
BIN          := bin
STATICCHECK  := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PROTOC_GEN_GO      := google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PROTOC_GEN_GO_GRPC := google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
# Without golang.org/x/net/trace, which nobody here looks at: with it gRPC draws in html/template,
# and a handler is half as large again.
LEAN         := -tags grpcnotrace
# Of the isolation suite, what takes handlers through all that they do, in about two minutes.
UNKNOWN_KILLS := ^Test(Breaches|TheCommandsOfCertsInit|Ends|ACallThatNoRuleKnows|TheExampleClient|AFloodOf|ForeignBytes|ClientOfAStoppedHandler|HungHandler|NoHandlerServesTwo|KilledHandlerTouches|InboxMemory|Poison|KilledSupervisorGoesOn|AnotherToken|HandlersThatDoNotOutlive|WhoSaysNoHello|TheSpawnersHandlers|UpgradeInPlace|DrainGoesOn)
# Of the isolation suite, what makes the goroutines of supervisors and clients meet: programs that
# follow each other, crowds, handlers and readers that go away in the middle.
RACED := ^Test(UpgradeInPlace|AnUpgradeNeverRefuses|UpgradeWithEverything|UpgradeWithHTTP|SignalDuringAnUpgrade|DrainGoesOn|KilledSupervisorGoesOn|LastWords|NobodyElseHas|AFloodOf|ManyClients|ConnectionsLeave|InboxMemory|KilledHandlerTouches|ConnectionsWait|StoppedIdleHandlersAreReplaced|KilledIdleHandlers|TheSpawnersHandlers|CertificatesAreReloaded|ASupervisorThatNobodyReads|AClientThatNobodyReads)
# What says nothing about races in Go: data blocks, and programs that are not built with the detector.
UNRACED := -e /internal/testing/faults -e /internal/testing/sandbox -e /client/block
RACE := GORACE="atexit_sleep_ms=10 $$GORACE" $(GO) test -race -short -vet=off -count=1
# How many tests of a suite with real programs run at once, and how many packages: most of them wait
# more than they work.
SIDE_BY_SIDE := -parallel 4
PACKAGES := -p 3
FUZZTIME     ?= 60s
DURATION     ?= 60s
PREFIX       ?= /usr/local

.DEFAULT_GOAL := help
.PHONY: help build build-arm64 install run run-cluster supervisor server client test test-unit test-cluster test-isolation test-sandbox test-sandbox-full test-faults test-fleet chaos chaos-cluster race race-full bench bench-fio bench-scale bench-restart bench-soak bench-start bench-cluster sim sim-check fuzz lint proto check-proto ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9 -]+:.*## /{gsub(" ", "|", $$1); printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the programs into bin/
	@CGO_ENABLED=0 $(GO) build $(LEAN) -o $(BIN)/ ./cmd/bulkhead ./cmd/bulkhead-handler
	@$(SHELL) internal/tools/in-one-piece.sh $(BIN)/bulkhead $(BIN)/bulkhead-handler

build-arm64: ## build the programs for arm64 into bin/arm64/
	@CGO_ENABLED=0 GOARCH=arm64 $(GO) build $(LEAN) -o $(BIN)/arm64/ ./cmd/bulkhead ./cmd/bulkhead-handler

install: build ## install the programs into PREFIX/bin (default /usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(BIN)/bulkhead $(BIN)/bulkhead-handler $(DESTDIR)$(PREFIX)/bin/

run: build ## run a job on three agents on this machine, and print the report
	@$(GO) run ./internal/tools/demo -bin $(BIN)

run-cluster: build ## run six clients at two supervisors on three engine nodes; one supervisor is killed
	@$(GO) run ./internal/tools/demo/cluster -bin $(BIN)

supervisor server: build ## start a supervisor from configs/supervisor.yaml
	$(BIN)/bulkhead supervisor start --config configs/supervisor.yaml

client: build ## start a client from configs/client.yaml
	$(BIN)/bulkhead client --config configs/client.yaml

test: test-unit test-cluster test-isolation test-sandbox test-faults ## run all tests

test-unit: ## run all tests but the four suites below
	$(GO) test $(VET) $(PACKAGES) $$($(GO) list ./... | grep -v -e /supervisor/cluster/jetstream -e /supervisor/report/remote -e /internal/testing/engine -e /internal/testing/clustered -e /internal/testing/isolation -e /internal/testing/sandbox -e /internal/testing/faults)

test-cluster: ## run the tests of a journal on three nats-server processes (STORM: its seed)
	$(GO) test $(VET) -count=1 -timeout 10m ./internal/testing/engine/... ./supervisor/report/remote/
	$(GO) test $(VET) -count=1 -timeout 10m ./supervisor/cluster/jetstream/ -args -storm.seed "$(or $(STORM),1)"
	$(GO) test $(VET) -count=1 -timeout 20m $(SIDE_BY_SIDE) ./internal/testing/clustered/

test-isolation: ## run the process-isolation tests, with real processes
	$(GO) test $(VET) -count=1 $(SIDE_BY_SIDE) ./internal/testing/isolation/

test-sandbox: ## try what a locked handler must not do; then others' work where every unknown call kills
	$(GO) test $(VET) -count=1 -timeout 20m ./internal/testing/sandbox/
	BULKHEAD_TEST_SANDBOX_UNKNOWN=kill $(GO) test $(VET) -count=1 -timeout 10m $(SIDE_BY_SIDE) -run '$(UNKNOWN_KILLS)' ./internal/testing/isolation/

test-sandbox-full: ## run every suite with real handlers where every unknown call kills (half an hour)
	@export BULKHEAD_TEST_SANDBOX_UNKNOWN=kill CGO_ENABLED=0; code=0; \
	for suite in handler/... supervisor/... internal/child/... cmd/bulkhead internal/testing/isolation internal/testing/faults; do \
		$(GO) test $(LEAN) $(VET) -count=1 -timeout 30m -p 1 $(SIDE_BY_SIDE) ./$$suite || code=1; \
	done; exit $$code

test-faults: ## break every part at every moment: fault matrix, crash points, short chaos
	$(GO) test $(VET) -count=1 $(SIDE_BY_SIDE) -timeout 20m ./internal/testing/faults/

test-fleet: ## break agents, their clients and handlers at every moment, and play a crowd of 64
	$(GO) test $(VET) -count=1 $(SIDE_BY_SIDE) -timeout 20m -run 'TestFleetMatrix|TestACrowdOfAgents' ./internal/testing/faults/ -args -fleet.all -crowd.agents 64

chaos: ## break everything at random: DURATION (default 60s), SEED (default: a new one)
	@seed="$(SEED)"; : "$${seed:=$$(date +%s)}"; echo "seed $$seed"; \
	$(GO) test -count=1 -timeout 0 -v -run '^TestChaos$$' ./internal/testing/faults/ -args -chaos.seed "$$seed" -chaos.duration "$(DURATION)"

chaos-cluster: ## the same at two supervisors of one run, and three nodes of its engine: DURATION (default 60s), SEED
	@seed="$(SEED)"; : "$${seed:=$$(date +%s)}"; echo "seed $$seed"; \
	$(GO) test -count=1 -timeout 0 -v -run '^TestChaos$$' ./internal/testing/clustered/ -args -chaos.seed "$$seed" -chaos.duration "$(DURATION)"

race: ## run what is concurrent under the race detector: the units, and a share of the isolation suite
	$(RACE) $(PACKAGES) -timeout 20m $$($(GO) list ./... | grep -v $(UNRACED) -e /internal/testing/isolation)
	$(RACE) -timeout 10m $(SIDE_BY_SIDE) -run '$(RACED)' ./internal/testing/isolation/

race-full: ## the same with the whole isolation suite
	$(RACE) $(PACKAGES) -timeout 30m $$($(GO) list ./... | grep -v $(UNRACED))

bench: build ## measure the figures of docs/benchmarks.md
	@$(GO) run ./internal/tools/bench -bin $(BIN)

bench-fio: build ## compare consumers with fio: ROUNDS of pairs (default 3, 8 minutes), CELLS by regexp
	@$(GO) run ./internal/tools/bench -bin $(BIN) -only d -rounds "$(or $(ROUNDS),3)" -cells "$(CELLS)"

bench-scale: build ## many clients at once: CLIENTS (default 500,2000,4000), ROUNDS of them (default 3)
	@$(GO) run ./internal/tools/bench -bin $(BIN) -only f -clients "$(or $(CLIENTS),500,2000,4000)" -rounds "$(or $(ROUNDS),3)"

bench-soak: build ## does the supervisor's memory grow: CLIENTS (default 1000) heart-beating for HOLD (default 1h)
	@$(GO) run ./internal/tools/bench -bin $(BIN) -only s -clients "$(or $(CLIENTS),1000)" -hold "$(or $(HOLD),1h)"

bench-start: build ## how far apart CLIENTS (default 64) begin to write, gathered and not, in ROUNDS (default 3)
	@$(GO) run ./internal/tools/bench -bin $(BIN) -only l -clients "$(or $(CLIENTS),64)" -rounds "$(or $(ROUNDS),3)"

bench-cluster: build ## the journal on three engine nodes beside a file, and a takeover of CLIENTS (default 1000), in ROUNDS (default 3)
	@$(GO) run ./internal/tools/bench -bin $(BIN) -only n -clients "$(or $(CLIENTS),1000)" -rounds "$(or $(ROUNDS),3)"

bench-restart: build ## restart a supervisor with a long journal: JOURNAL GB (default 1), ROUNDS (default 5)
	@$(GO) run ./internal/tools/bench -bin $(BIN) -only r -journal "$(or $(JOURNAL),1)" -rounds "$(or $(ROUNDS),5)"

sim: ## simulate CLIENTS (default 10000,30000,100000) at SUPERVISORS (default 32), FAULT (default all), SEED (default 1)
	@$(GO) run ./internal/tools/sim -sweep "$(or $(CLIENTS),10000,30000,100000)" -supervisors "$(or $(SUPERVISORS),32)" -fault "$(or $(FAULT),all)" -seed "$(or $(SEED),1)"

sim-check: build ## compare the simulation with the real programs: CLIENTS (default 50,200,500), ROUNDS (default 3)
	@$(GO) run ./internal/tools/bench -bin $(BIN) -only m -clients "$(or $(CLIENTS),50,200,500)" -rounds "$(or $(ROUNDS),3)"

fuzz: ## run every fuzz target for FUZZTIME (default 60s)
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" $(SHELL) internal/tools/fuzz.sh

lint: ## run gofmt, go vet and staticcheck
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

ci: VET := -vet=off# lint does all of it
ci: lint build build-arm64 check-proto test race ## run everything that CI runs
	@$(MAKE) --no-print-directory fuzz FUZZTIME=3s

clean: ## remove what the targets above created
	rm -rf $(BIN) bulkhead-state bulkhead-data
