package consumer

import (
	"time"

	"bulkhead/internal/backoff"
)

// retry is how long to pause between files after failures in a row.
var retry = backoff.Policy{First: 100 * time.Millisecond, Most: 5 * time.Second}
