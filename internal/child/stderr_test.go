package child

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
)

// A crash is one line in the log, and how many more there were; all of them at debug
// level.
func TestACrashIsTwoLinesInTheLog(t *testing.T) {
	text := "hello\npanic: boom\n\ngoroutine 1 [running]:\n"
	for n := range 300 {
		text += fmt.Sprintf("main.f%d()\n", n)
	}
	text += `{"level":"ERROR","msg":"last log line"}` + "\npanic: again\n"
	for level, want := range map[slog.Level]int{slog.LevelInfo: 4, slog.LevelDebug: 4 + 302} {
		var out bytes.Buffer
		s := newStderrLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})), nil)
		s.Copy(strings.NewReader(text))
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != want {
			t.Fatalf("%s: %d lines; want %d:\n%s", level, len(lines), want, out.String())
		}
		for at, what := range map[int]string{
			0: `level=WARN msg="child wrote: hello"`, 1: `level=WARN msg="child wrote: panic: boom"`,
			len(lines) - 1: `level=WARN msg="child wrote: … and 302 more lines of a crash"`,
		} {
			if !strings.Contains(lines[at], what) {
				t.Errorf("%s: line %d is %s; want %s", level, at, lines[at], what)
			}
		}
		if !strings.Contains(out.String(), "last log line") {
			t.Errorf("%s: a line that the child logged is missing", level)
		}
		if words := s.words(); len(words) == 0 || words[0] != "panic: again" && words[0] != "panic: boom" {
			t.Errorf("%s: last words %q", level, words)
		}
	}
}

// The log waits without a buffer, and still hears a child that says something now and then to
// the last word: a pipe that is waited for at its end, in the middle of a line, and between two.
func TestAQuietChildIsHeardToItsEnd(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out bytes.Buffer
	s := newStderrLog(slog.New(slog.NewTextHandler(&out, nil)), nil)
	source := &counting{overheard: overheard{r, &process{noise: newNoise()}}, waits: make(chan struct{}, 100)}
	done := make(chan struct{})
	go func() { defer close(done); s.Copy(source) }() // ends with w
	for _, text := range []string{"one\n", "two\nthr", "ee\n", "four"} {
		<-source.waits // it holds nothing now, unless it is within a line
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(text, "two") {
			source.waits <- struct{}{} // it reads on
		}
	}
	w.Close()
	<-done
	if got, want := s.words(), []string{"one", "two", "three", "four"}; !slices.Equal(got, want) {
		t.Errorf("it has heard %q; want %q", got, want)
	}
}

// counting tells when somebody begins to wait.
type counting struct {
	overheard
	waits chan struct{}
}

func (c *counting) await() {
	c.waits <- struct{}{}
	c.overheard.await()
}
