package report

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

var update = flag.Bool("update", false, "write the golden files anew")

// writeJournal keeps records as a real journal and returns its folder.
func writeJournal(t *testing.T, records []*bulkheadv1.Record, torn bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Create(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append(context.Background(), records...); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if torn {
		segment, err := os.OpenFile(filepath.Join(dir, "00000001.seg"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := segment.Write([]byte{0x40, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7}); err != nil {
			t.Fatal(err)
		}
		if err := segment.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// render returns a report as text and as JSON.
func render(t testing.TB, r *Report) (text, json []byte) {
	t.Helper()
	var a, b bytes.Buffer
	if err := r.Text(&a); err != nil {
		t.Fatal(err)
	}
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	return a.Bytes(), b.Bytes()
}

func TestGolden(t *testing.T) {
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			r, err := FromJournal(writeJournal(t, story.write(t), story.torn))
			if err != nil {
				t.Fatal(err)
			}
			text, json := render(t, r)
			compare(t, story.name+".txt", text)
			compare(t, story.name+".json", json)
		})
	}
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-golden +got); -update writes it anew:\n%s", name, diff)
	}
}
