package handler

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// oomScore is how much sooner than others the system ends a handler when it runs out of
// memory (proc(5): oom_score_adj, -1000 to 1000): a handler is one client's, and the
// supervisor everybody's. Raising it needs no privilege.
const oomScore = 500

// offerMemory makes this process the one to go before its supervisor.
func offerMemory() error {
	const path = "/proc/self/oom_score_adj"
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the score for when memory runs out: %w", err)
	}
	if now, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && now >= oomScore {
		return nil
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(oomScore)), 0); err != nil {
		return fmt.Errorf("raising the score for when memory runs out: %w", err)
	}
	return nil
}
