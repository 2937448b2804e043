package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// checkPrintable checks that nothing but printable text and line ends is there.
func checkPrintable(t *testing.T, text []byte) {
	t.Helper()
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r != '\n' && (!unicode.IsPrint(r) || (r == utf8.RuneError && size == 1)) {
			t.Fatalf("byte %d is %q, in %q", i, r, text[max(i-40, 0):min(i+40, len(text))])
		}
		i += size
	}
}

func TestTextIsPlainAndNarrow(t *testing.T) {
	for _, story := range stories {
		text, _ := render(t, foldAll(t, story.write(t)))
		checkPrintable(t, text)
		for _, line := range strings.Split(string(text), "\n") {
			if columns(line) > pageWidth && !strings.HasPrefix(line, "  - ") {
				t.Errorf("%s: %d columns: %s", story.name, columns(line), line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("%s: spaces at the end of %q", story.name, line)
			}
		}
	}
}

func TestJSONReadsBack(t *testing.T) {
	want := foldAll(t, disturbed(t))
	_, data := render(t, want)
	got := new(Report)
	if err := json.Unmarshal(data, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

func TestJSONKeepsAngleBracketsReadable(t *testing.T) {
	s := newStory(t, 0)
	s.rejected(1, 1, "", "", `<html> & "more"`)
	if _, data := render(t, foldAll(t, s.records)); !bytes.Contains(data, []byte(`<html> & \"more\"`)) {
		t.Errorf("the reason is not there as it was:\n%s", data)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWriteErrorsAreReturned(t *testing.T) {
	full := errors.New("disk full")
	r := NewFolder().Report()
	if err := r.Text(brokenWriter{full}); !errors.Is(err, full) {
		t.Errorf("Text returns %v", err)
	}
	if err := r.JSON(brokenWriter{full}); !errors.Is(err, full) {
		t.Errorf("JSON returns %v", err)
	}
}

// A run of many keeps to a page for each client, and leads with what went wrong.
func TestTextOfManyStaysReadable(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	a.consumers = 300
	a.start()
	odd := map[int32]*bulkheadv1.ProcessExit{a.pid(kindConsumer, 250): killedExit()}
	a.say(a.stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", odd))
	for i := range uint64(300) {
		exit := cleanExit()
		if i == 3 {
			exit = killedExit()
		}
		s.handlerExited(100+i, 0, 6000+int32(i), time.Second, exit, "")
	}
	text, _ := render(t, foldAll(t, s.records))
	for _, want := range []string{"consumer 250  5370", "270 more processes in report.json", "6003  rejected connection",
		"6299  rejected connection", "261 more handlers in report.json"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the text does not say %q", want)
		}
	}
	if lines := bytes.Count(text, []byte("\n")); lines > 200 {
		t.Errorf("%d lines", lines)
	}
}
