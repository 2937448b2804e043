package scripted

import (
	"bulkhead/client/spec"
	"bulkhead/internal/config"
	"bulkhead/internal/workload"
)

// Config returns what a client called tester does that is told nothing else, with consumers.
func Config(consumers ...workload.Consumer) spec.Config {
	cfg := spec.Of(config.DefaultClient())
	cfg.Name, cfg.Consumers = "tester", consumers
	return cfg
}
