package jetstream

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Config is how a supervisor joins a run.
type Config struct {
	// Run is the run's id: letters, digits and hyphens.
	Run string
	// URLs are the engine's nodes, and Options how to connect to them: TLS, credentials.
	URLs    []string
	Options []nats.Option
	// Started is the run's first record. The first supervisor that joins begins the run with it;
	// those of others are not used.
	Started *bulkheadv1.Record
	// Shards is how many streams the sessions are divided among, 1 to 16; 0 is 8. All supervisors of
	// a run must say the same.
	Shards int
	// Replicas of each stream; 0 is 3.
	Replicas int
	// MaxInFlight is how many messages are on their way to each stream at once; 0 is 64.
	MaxInFlight int
	// Patience is how long one call tries before it returns ErrUnavailable; 0 is 10 s.
	Patience time.Duration
}

// maxShards is how many streams a run's sessions may have.
const maxShards = 16

// resolve fills in the defaults.
func (c Config) resolve() (Config, error) {
	if !usable.MatchString(c.Run) {
		return c, fmt.Errorf("a run's id in the engine is 1 to 64 letters, digits and hyphens, not %q", c.Run)
	}
	if len(c.URLs) == 0 {
		return c, errors.New("no node of the engine is named")
	}
	if c.Shards == 0 {
		c.Shards = 8
	}
	if c.Shards < 1 || c.Shards > maxShards {
		return c, fmt.Errorf("%d shards: 1 to %d are allowed", c.Shards, maxShards)
	}
	if c.Replicas == 0 {
		c.Replicas = 3
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 64
	}
	if c.Patience == 0 {
		c.Patience = 10 * time.Second
	}
	if c.Started.GetRunStarted() == nil {
		return c, errors.New("a run begins with RunStarted")
	}
	return c, nil
}
