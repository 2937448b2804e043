package spec

import "time"

// Steady says when the throughput counts as steady.
type Steady struct {
	// Window is the time that is looked at, at least five times Config.ProgressInterval;
	// 0 never ends a load.
	Window time.Duration
	// MaxVariation is the most that the throughput may vary in it: its coefficient of
	// variation over the progress intervals (package variation), in percent.
	MaxVariation float64
}
