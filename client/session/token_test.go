package session

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"bulkhead/client/spec"
	"bulkhead/internal/config/value"
	"bulkhead/internal/testing/scripted"
)

// TestATokenFileIsReadForEachConnection gives a client another token while it is away. Without the
// file it tries again: somebody may be changing it.
func TestATokenFileIsReadForEachConnection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) error { return os.WriteFile(file, []byte(text), 0o600) }
	if err := write("first\n"); err != nil {
		t.Fatal(err)
	}
	c := scripted.Start(t, scripted.BreakAfter(2, true, func(c *scripted.Collector) error {
		if err := os.Remove(file); err != nil {
			return err
		}
		return scripted.Unavailable(c)
	}), scripted.Orderly)
	box := testOutbox(t, 1<<20)
	fill(t, box, 100)
	log, done := new(scripted.LogLines), make(chan error, 1)
	s := New(spec.Config{Supervisor: value.Addresses{c.Address}, ConnectTimeout: scripted.PatienceInTests,
		TokenFile: file,
		Logger:    slog.New(slog.NewTextHandler(log, nil))}, box.Hello, box)
	go func() { done <- s.Run(t.Context()) }() // ended by the test's context
	log.Await(t, "token_file: open "+file+": no such file")
	if err := write("second\n"); err != nil {
		t.Fatal(err)
	}
	if err := scripted.Wait(t, "the session", done); err != nil {
		t.Fatalf("session: %v\n%s", err, log)
	}
	c.Snapshot() // it has said its last
	if len(c.Hellos) != 2 || c.Hellos[0].GetToken() != "first" || c.Hellos[1].GetToken() != "second" {
		t.Errorf("the Hellos are %v; want one with the first token and one with the second", c.Hellos)
	}
	if box.Hello.GetToken() != "" {
		t.Error("the outbox, which may be kept in a file, has the token")
	}
}
