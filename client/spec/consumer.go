package spec

import (
	"errors"
	"fmt"
	"path/filepath"
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
