package saved

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/recovery"
)

// checkpointed writes a journal of more than 2 MB whose client is at peer, with a checkpoint of
// all of it, and returns its folder.
func checkpointed(t *testing.T, peer string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Create(dir, journal.Options{Sync: journal.SyncNone})
	must(t, err)
	batch, err := proto.Marshal(&bulkheadv1.Batch{Messages: []*bulkheadv1.Message{{
		Seq: 1, Fact: &bulkheadv1.Message_Progress{
			Progress: &bulkheadv1.Progress{LastError: strings.Repeat("x", 2<<20)}},
	}}})
	must(t, err)
	must(t, j.Append(t.Context(),
		&bulkheadv1.Record{TimeUnixNano: 1, Entry: &bulkheadv1.Record_RunStarted{
			RunStarted: &bulkheadv1.RunStarted{RunId: "run"}}},
		&bulkheadv1.Record{TimeUnixNano: 2, Entry: &bulkheadv1.Record_SessionOpened{
			SessionOpened: &bulkheadv1.SessionOpened{
				Session: 1, Hello: &bulkheadv1.Hello{ClientId: []byte("client")}}}},
		&bulkheadv1.Record{TimeUnixNano: 3, Entry: &bulkheadv1.Record_SessionAttached{
			SessionAttached: &bulkheadv1.SessionAttached{Session: 1, ConnectionId: 1, Peer: peer}}},
		&bulkheadv1.Record{TimeUnixNano: 4, Entry: &bulkheadv1.Record_SessionBatch{
			SessionBatch: &bulkheadv1.SessionBatch{Session: 1, FirstSeq: 1, LastSeq: 1, Batch: batch}}}))
	k := recovery.NewKeeper(dir, recovery.Loaded{Past: recovery.New()}, j.Acknowledged, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }() // ends with stop
	k.Now(t.Context())
	stop()
	<-done
	must(t, j.Close())
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A good checkpoint is told; one that no supervisor would use is told, and leaves the journal
// clean; one that a supervisor would continue from, and that is wrong, does not.
func TestCheckpointsAreChecked(t *testing.T) {
	dir := checkpointed(t, "10.0.0.1:1")
	path := filepath.Join(dir, recovery.File)
	good, err := os.ReadFile(path)
	must(t, err)
	// It ends behind the same record, at the same byte.
	wrong, err := os.ReadFile(filepath.Join(checkpointed(t, "10.0.0.2:1"), recovery.File))
	must(t, err)
	for _, tt := range []struct {
		name       string
		checkpoint []byte
		word       string
		line       string
	}{
		{"none", nil, "CLEAN", ""},
		{"good", good, "CLEAN", "checkpoint: as the records up to byte "},
		{"damaged", good[:len(good)-1], "CLEAN", "checkpoint: not used by a supervisor: it is damaged"},
		{"wrong", wrong, "WRONG CHECKPOINT",
			"checkpoint: WRONG: open differs, session 1: peer differs; delete it before"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			must(t, os.RemoveAll(path))
			if tt.checkpoint != nil {
				must(t, os.WriteFile(path, tt.checkpoint, 0o600))
			}
			c, err := CheckJournal(dir)
			must(t, err)
			var text, asJSON bytes.Buffer
			must(t, c.Text(&text))
			must(t, c.JSON(&asJSON))
			if !strings.HasPrefix(text.String(), tt.word+": ") || !strings.Contains(text.String(), tt.line) ||
				strings.Contains(text.String(), "  checkpoint  ") != (tt.line != "") {
				t.Errorf("it says\n%swant %s and %q", &text, tt.word, tt.line)
			}
			if c.Clean != (tt.word == "CLEAN") {
				t.Errorf("clean: %v", c.Clean)
			}
			if empty := strings.Contains(asJSON.String(), `"checkpoints": []`); empty != (tt.checkpoint == nil) {
				t.Errorf("as JSON it is %s", &asJSON)
			}
		})
	}
}
