package stories

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

	"bulkhead/internal/assertion"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/compare"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/render"
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

// rendered returns a report as text and as JSON.
func rendered(t testing.TB, r *report.Report) (text, json []byte) {
	t.Helper()
	var a, b bytes.Buffer
	if err := render.Text(r, &a); err != nil {
		t.Fatal(err)
	}
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	return a.Bytes(), b.Bytes()
}

func TestGolden(t *testing.T) {
	for _, story := range story.Stories {
		t.Run(story.Name, func(t *testing.T) {
			r, err := fold.FromJournal(writeJournal(t, story.Write(t), story.Torn))
			if err != nil {
				t.Fatal(err)
			}
			text, json := rendered(t, r)
			compareGolden(t, story.Name+".txt", text)
			compareGolden(t, story.Name+".json", json)
			results := checkAll(t, r, "p99 < 30ms", "throughput >= 100MB/s", "lost == 0", "errors == 0",
				"response_p99 < 50ms", "corrupt == 0")
			compareGolden(t, story.Name+".csv", written(t, func(w io.Writer) error { return render.CSV(r, w) }))
			compareGolden(t, story.Name+".md",
				written(t, func(w io.Writer) error { return render.Markdown(r, w, results) }))
			compareGolden(t, story.Name+".xml",
				written(t, func(w io.Writer) error { return render.JUnit(r, w, results) }))
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
func checkAll(t testing.TB, r *report.Report, assertions ...string) []judge.Result {
	t.Helper()
	var results []judge.Result
	for _, text := range assertions {
		a, err := assertion.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, judge.Check(r, a))
	}
	return results
}

func TestGoldenComparison(t *testing.T) {
	c := compare.Reports(folded.All(t, story.Undisturbed(t)), folded.All(t, story.Disturbed(t)))
	compareGolden(t, "comparison.txt", written(t, c.Text))
	compareGolden(t, "comparison.json", written(t, c.JSON))
	compareGolden(t, "comparison.md", written(t, c.Markdown))
}

// comparePacked compares with a golden file that is kept compressed, because it is large.
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
	t.Errorf(
		"%s differs; -update writes it anew; first in line %d of %d (-golden +got, which has %d):\n-%.300s\n+%.300s",
		name, at+1, len(a), len(b), a[at], b[at])
}

func compareGolden(t *testing.T, name string, got []byte) {
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
