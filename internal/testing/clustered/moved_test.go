package clustered

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/internal/config"
	"bulkhead/internal/testing/engine"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/contract"
	onengine "bulkhead/supervisor/cluster/joined"
)

// A session that another supervisor takes after it was opened, and before it is read, has moved: nothing is wrong with
// the run.
func TestASessionIsTakenBeforeItIsRead(t *testing.T) {
	t.Parallel()
	c := engine.Start(t, engine.Options{Nodes: 1})
	join := func() *onengine.Run {
		e, err := onengine.New(config.Journal{URL: strings.Join(c.URLs(), ","), Shards: 1, Replicas: 1}, 1<<20,
			slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		r, err := e.Join(t.Context(), "shared", t.TempDir(), contract.Started("shared"),
			new(bulkheadv1.SupervisorJoined))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	takes := func(r *onengine.Run, messages int) {
		l, h, err := r.Open(t.Context(), contract.Hello("one"))
		if err != nil {
			t.Fatal(err)
		}
		h, attached := contract.Attached(h, r.Connection())
		h, batch := contract.Messages(h, messages, 1)
		if err := l.Append(t.Context(), h, attached, batch); err != nil {
			t.Fatal(err)
		}
	}
	first, second := join(), join()
	takes(second, 8)
	_, h, err := first.Open(t.Context(), contract.Hello("one"))
	if err != nil || h.Durable != 8 {
		t.Fatalf("%d messages are durable: %v", h.Durable, err)
	}
	takes(second, 168)
	if _, _, err := first.SessionOf(t.Context(), []byte("one"), h); !errors.Is(err, cluster.ErrMoved) ||
		errors.Is(err, cluster.ErrFailed) {
		t.Errorf("who was too late is told: %v", err)
	}
	_, h, err = first.Open(t.Context(), contract.Hello("one"))
	if err != nil {
		t.Fatal(err)
	}
	if _, s, err := first.SessionOf(t.Context(), []byte("one"), h); err != nil || s.Durable != 176 {
		t.Errorf("who has it reads %+v: %v", s, err)
	}
}

// knows returns why a supervisor does not count so many clients, of all supervisors.
func knows(s *harness.Supervisor, clients int) error {
	out, err := exec.Command(filepath.Join(bin, "bulkhead"), "supervisor", "status", "--json", "--state-dir",
		s.StateDir).Output()
	if err != nil {
		return err
	}
	var status struct {
		Joined int `json:"joined_clients"`
	}
	if err := json.Unmarshal(out, &status); err != nil || status.Joined != clients {
		return errors.Join(err, fmt.Errorf("%d clients have joined, not %d", status.Joined, clients))
	}
	return nil
}

// A client that comes from another supervisor of a run which is drained is asked to end its load, as all are.
func TestWhoComesFromTheOtherIsDrained(t *testing.T) {
	t.Parallel()
	config := settings(t, engine.Start(t, engine.Options{}), "run: shared")
	both := []*harness.Supervisor{supervisor(t, folder(t), "--config", config, "--clients", "1"),
		supervisor(t, folder(t), "--config", config, "--clients", "1")}
	hello := rawclient.Hello("mover")
	before, _ := comes(t, both[0], hello)
	if err := errors.Join(before.SendBatch(1, 3), before.AwaitAck(3)); err != nil {
		t.Fatal(err)
	}
	expect.Eventually(t, func() error { return knows(both[1], 1) })
	before.Close()
	out, err := exec.Command(filepath.Join(bin, "bulkhead"), "supervisor", "drain", "--state-dir",
		both[1].StateDir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c, after := comes(t, both[1], hello)
	if after != 3 {
		t.Errorf("it continues after message %d; want 3", after)
	}
	for asked := false; !asked; {
		f, err := c.Recv()
		if err != nil {
			t.Fatalf("it was not asked to end its load: %v", err)
		}
		asked = f.GetDrain() != nil
	}
	if err := c.Goodbye(3); err != nil {
		t.Fatal(err)
	}
	_ = c.End() // in order or not, the reports tell
	for _, s := range both {
		code, err := s.Wait(patience)
		if err != nil {
			t.Fatal(err)
		}
		rep, _ := finished(t, s, code)
		allClosed(t, rep, 1)
	}
}
