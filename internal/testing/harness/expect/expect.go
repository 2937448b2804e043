// Package expect is what tests of whole runs ask of a report and of the world around it.
package expect

import (
	"testing"
	"time"

	"bulkhead/supervisor/report"
)

// Patience is how long a test waits for what must happen; a slow machine must not fail it.
const Patience = 60 * time.Second

// pollEvery is the time between two looks at what the system tells nobody of.
const pollEvery = 5 * time.Millisecond

// Eventually waits until check returns nil. It is for what the system tells nobody of,
// such as the state of another process.
func Eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.After(Patience)
	again := time.NewTicker(pollEvery)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("still not so after %s: %v", Patience, err)
		}
	}
}

// NoError fails the test at an error.
func NoError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Client returns the report's client with that name.
func Client(t *testing.T, rep *report.Report, name string) *report.Client {
	t.Helper()
	for i := range rep.Clients {
		if rep.Clients[i].Name == name {
			return &rep.Clients[i]
		}
	}
	t.Fatalf("the report has no client %s", name)
	return nil
}

// Handler returns the report's handler with that pid.
func Handler(t *testing.T, rep *report.Report, pid int) *report.Handler {
	t.Helper()
	for i := range rep.Handlers {
		if int(rep.Handlers[i].Pid) == pid {
			return &rep.Handlers[i]
		}
	}
	t.Fatalf("the report has no handler %d", pid)
	return nil
}
