package consumer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// minInterval keeps Progress messages from becoming a load of their own.
const minInterval = time.Millisecond

// checkTask returns what is wrong with a task, one text each: who asks may be no client of ours.
func checkTask(asked *bulkheadv1.ConsumerTask) []string {
	var found []string
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	c := workload.Of(asked.GetSpec())
	stages := workload.StagesOf(asked.GetStages())
	for _, problem := range slices.Concat(c.Check(), stages.Check(), workload.Load{Stages: stages}.CheckStages(c)) {
		found = append(found, problem.Error())
	}
	if err := checkFolder(c.Path); err != nil {
		add("%v", err)
	}
	if d := time.Duration(asked.GetProgressIntervalNano()); d != 0 && d < minInterval {
		add("progress interval: %s is not valid; use at least %s, or 0 for %s", human.ExactDuration(d),
			human.ExactDuration(minInterval), human.ExactDuration(workload.DefaultProgressInterval))
	}
	if d := time.Duration(asked.GetStallAfterNano()); d < 0 {
		add("stall threshold: %s is not valid; use more than 0, or 0 for %s", human.ExactDuration(d),
			human.ExactDuration(workload.DefaultStallAfter))
	}
	if n := len(asked.GetClientId()); n != 0 && n != protocol.ClientIDBytes {
		add("client id: it has %d bytes; use %d", n, protocol.ClientIDBytes)
	}
	return found
}

// checkFolder returns an error unless path is the absolute path of a folder.
func checkFolder(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("path %q is not absolute", path)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("path %q does not exist", path)
	}
	if err != nil {
		return fmt.Errorf("path %q: %w", path, err)
	}
	if info.Mode()&os.ModeSymlink != 0 {
		return fmt.Errorf("path %q is a symbolic link, which a consumer does not follow", path)
	}
	if !info.IsDir() {
		return fmt.Errorf("path %q is not a folder", path)
	}
	return nil
}
