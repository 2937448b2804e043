package preflight

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"bulkhead/client/spec"
)

const (
	// ownDescriptors is how many descriptors a client has open for itself, and opens for a
	// moment to start workers; workerDescriptors is how many it has for each worker,
	// and pathDescriptors for each path.
	ownDescriptors    = 24
	workerDescriptors = 5
	pathDescriptors   = 2
	// consumerDescriptors is how many a consumer has open besides the file of each writer:
	// two more files are read back or removed.
	consumerDescriptors = 18
)

// descriptorsNeeded returns how many open files the client needs, and the most that one of its
// consumers does, a process of its own.
func descriptorsNeeded(c spec.Config) (client, consumer uint64) {
	var paths []string
	for _, one := range c.Consumers {
		paths = append(paths, one.Path)
		reader := uint64(1) // its file
		if one.Read.Neighbours() {
			reader = 3 // and the folders and the list that it looks into
		}
		consumer = max(consumer, consumerDescriptors+uint64(max(one.Concurrency, 1))+reader*uint64(one.Readers))
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	workers := len(c.Consumers) + 1 // and the monitor
	return uint64(ownDescriptors + workerDescriptors*workers + pathDescriptors*len(paths)), consumer
}

// CheckDescriptors refuses a limit of open files within which the load cannot be served. Go's
// runtime has raised the soft limit to the hard one, for the workers, too. The error is for
// ErrConfig to be put before.
func CheckDescriptors(c spec.Config, limit uint64) error {
	switch client, consumer := descriptorsNeeded(c); {
	case limit < client:
		return fmt.Errorf("a client with %s needs %d open files, and the limit is %d; raise it (ulimit -Hn, "+
			"LimitNOFILE=), or lower consumer_count", consumersText(len(c.Consumers)), client, limit)
	case limit < consumer:
		return fmt.Errorf("a consumer needs %d open files for its writers and readers, and the limit is %d; raise "+
			"it (ulimit -Hn, LimitNOFILE=), or lower concurrency or readers", consumer, limit)
	}
	return nil
}

func consumersText(n int) string {
	if n == 1 {
		return "1 consumer"
	}
	return fmt.Sprintf("%d consumers", n)
}

// DescriptorLimit returns RLIMIT_NOFILE.
func DescriptorLimit() uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 1 << 20 // cannot happen
	}
	return limit.Cur
}
