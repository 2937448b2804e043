package report

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
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
			results := checkAll(t, r, "p99 < 30ms", "throughput >= 100MB/s", "lost == 0", "errors == 0",
				"response_p99 < 50ms", "corrupt == 0")
			compare(t, story.name+".csv", written(t, r.CSV))
			compare(t, story.name+".md", written(t, func(w io.Writer) error { return r.Markdown(w, results) }))
			compare(t, story.name+".xml", written(t, func(w io.Writer) error { return r.JUnit(w, results) }))
		})
	}
}

// written returns what write writes.
func written(t testing.TB, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkAll returns what becomes of assertions about r.
func checkAll(t testing.TB, r *Report, assertions ...string) []Result {
	t.Helper()
	var results []Result
	for _, text := range assertions {
		a, err := ParseAssertion(text)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, r.Check(a))
	}
	return results
}

func TestGoldenComparison(t *testing.T) {
	c := Compare(foldAll(t, undisturbed(t)), foldAll(t, disturbed(t)))
	compare(t, "comparison.txt", written(t, c.Text))
	compare(t, "comparison.json", written(t, c.JSON))
	compare(t, "comparison.md", written(t, c.Markdown))
}

// comparePacked is compare for a golden file that is kept compressed, because it is large.
func comparePacked(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(got); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, packed.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(want, got) {
		return
	}
	a, b := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	at := 0
	for at < min(len(a), len(b))-1 && a[at] == b[at] {
		at++
	}
	t.Errorf("%s differs; -update writes it anew; first in line %d of %d (-golden +got, which has %d):\n-%.300s\n+%.300s", name, at+1, len(a), len(b), a[at], b[at])
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
