package spec

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bulkhead/internal/protocol"
	"bulkhead/internal/workload"
)

// pathRoom is what the names of a client's folders and files may take behind the path of a
// consumer.
const pathRoom = 256

// resolve returns c with an absolute path, and every reason why it cannot work as part of load.
func resolve(c workload.Consumer, load workload.Load) (workload.Consumer, []error) {
	var problems []error
	path, err := resolvePath(c.Path)
	if err != nil {
		problems = append(problems, fmt.Errorf("path: %w", err))
	}
	c.Path = path
	for _, problem := range load.CheckConsumer(c) {
		problems = append(problems, problem)
	}
	return c, problems
}

// resolvePath returns a consumer's path as an absolute one.
func resolvePath(path string) (string, error) {
	switch {
	case path == "":
		return "", errors.New("it is empty; give a folder")
	case strings.ContainsRune(path, 0):
		return "", fmt.Errorf("%q is not a path: it has a byte 0", path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if len(path) > protocol.MaxPathBytes-pathRoom {
		return "", fmt.Errorf("it has %d bytes; use at most %d, because the supervisor is told the paths below it",
			len(path), protocol.MaxPathBytes-pathRoom)
	}
	return path, nil
}

// Widest returns c as a load without stages that takes at least what the stages of c take: writers,
// bytes, time. It is c for a load that has none.
func (c Config) Widest() Config {
	if len(c.Stages) == 0 {
		return c
	}
	if c.Runtime == 0 {
		c.Runtime = workload.MaxStage
	}
	c.TotalBytes = c.Stages.Total()
	rate, bounded := uint64(0), true
	for _, one := range c.Stages {
		rate, bounded = max(rate, one.RateBytes), bounded && one.RateBytes > 0
	}
	c.Consumers = slices.Clone(c.Consumers)
	for i := range c.Consumers {
		one := &c.Consumers[i]
		one.Concurrency = c.Stages.Writers(one.Writers())
		if bounded {
			one.RateBytes = rate
		}
	}
	return c
}

// rampDelay returns how long after the first a consumer begins.
func (c Config) rampDelay(index int) time.Duration {
	return time.Duration(float64(c.Ramp) * float64(index) / float64(len(c.Consumers)))
}

// AllBegun returns when the last consumer makes its first write.
func (c Config) AllBegun() time.Duration {
	var last time.Duration
	for i := range c.Consumers {
		last = max(last, c.Begin(i))
	}
	return last
}

// Begin returns when a consumer makes its first write, from the start of the load.
func (c Config) Begin(index int) time.Duration {
	return c.Consumers[index].StartDelay + c.rampDelay(index)
}
