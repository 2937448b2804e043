package client

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"google.golang.org/grpc"

	"bulkhead/client/names"
	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A client that is killed before it has workers leaves its working folder, which the next
// one removes. That of a client that lives stays, and so does one with a spool.
func TestNextStartRemovesTheWorkingFolderOfAKilledClient(t *testing.T) {
	parent := scripted.ShortDir(t)
	c := scripted.Start(t, func(_ *scripted.Collector,
		stream grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]) error {
		<-stream.Context().Done() // without a Welcome there are no workers
		return nil
	})
	for _, name := range []string{"bulkhead-123", "bulkhead-of-somebody"} {
		if err := os.Mkdir(filepath.Join(parent, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	spool := filepath.Join(parent, "bulkhead-123", names.Spool)
	if err := os.WriteFile(spool, []byte("of a client that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	var programs []*clientProgram
	for n := range 2 {
		programs = append(programs, startProgram(t, c, 1, func(cfg *spec.Config) { cfg.WorkDir = parent }))
		scripted.Eventually(t, "the client's folder", func() bool { return len(scripted.Names(t, parent)) == 3+n })
	}
	living := scripted.Names(t, parent)
	programs[0].signal(syscall.SIGKILL)
	scripted.Wait(t, "the client's end", programs[0].done)
	if got := scripted.Names(t, parent); !slices.Equal(got, living) {
		t.Fatalf("the folders of a killed client and a living one, and two others: %v", got)
	}
	made, lock, err := site.MakeWorkDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	got := scripted.Names(t, parent)
	if len(got) != 4 || !slices.Contains(got, filepath.Base(made)) || !slices.Contains(got, "bulkhead-123") ||
		!slices.Contains(got, "bulkhead-of-somebody") {
		t.Errorf("left are %v, of which %s is new; want two others, and a living client's", got, filepath.Base(made))
	}
	programs[1].signal(syscall.SIGINT)
	scripted.Wait(t, "the client's end", programs[1].done)
	if got := scripted.Names(t, parent); len(got) != 3 {
		t.Errorf("left are %v; want that the client removed its own", got)
	}
}
