package child

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// However many children flood their logs, and within their own limits, all of them together log no more
// than they may, each is heard, and what is left out is told by its number.
func TestAllChildrenTogether(t *testing.T) {
	const floods, lines = 300, lineBurst
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	now := time.Unix(1, 0)
	all := NewLogs(log)
	all.now = func() time.Time { return now }
	var children []*stderrLog
	for range floods {
		children = append(children, newStderrLog(log, all))
	}
	for i, c := range children[:floods-1] {
		for n := range lines {
			c.line(fmt.Sprintf("child %d says %d", i, n))
		}
	}
	for n := range 5 { // a quiet one, behind all others
		children[floods-1].line(fmt.Sprintf("child %d says %d", floods-1, n))
	}
	passed := strings.Count(out.String(), "child wrote: ")
	if passed > logsMost {
		t.Errorf("%d lines; want %d at most", passed, logsMost)
	}
	for i := range floods {
		if !strings.Contains(out.String(), fmt.Sprintf("child %d says 0", i)) {
			t.Errorf("child %d is not heard", i)
		}
	}
	all.Close()
	told := fmt.Sprintf(`msg="children together log too much, lines left out" lines=%d children=`,
		(floods-1)*lines+5-passed)
	if strings.Count(out.String(), told) != 1 {
		t.Errorf("the log does not say once %q: %.300s", told, out.String()[max(0, out.Len()-300):])
	}

	out.Reset()
	now = now.Add(logsTurn)
	children[1].limit = rate.NewLimiter(rate.Inf, 0) // as if it had been silent for long
	for n := range logsFree {
		children[1].line(fmt.Sprintf("again %d", n))
	}
	if n := strings.Count(out.String(), "again"); n != logsFree {
		t.Errorf("%d lines of one child in a turn of its own; want all %d", n, logsFree)
	}
	all.Close()
	if strings.Contains(out.String(), "left out") {
		t.Errorf("told of what was not left out: %s", out.String())
	}
}

// What a child's own limit has left out counts as left out, too, where the limit of all leaves no
// room to say so.
func TestWhatIsLeftOutIsCountedOnce(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	all := NewLogs(log)
	all.now = func() time.Time { return time.Unix(1, 0) }
	var full share
	for all.allow(&full) {
	}
	for all.passed < logsMost { // others take the shares
		all.allow(new(share))
	}
	c := newStderrLog(log, all)
	var text strings.Builder
	const lines = 3 * lineBurst
	for range lines {
		text.WriteString("noise\n")
	}
	text.WriteString("panic: boom\n\tmain.f()\n\tmain.g()\n")
	c.Copy(strings.NewReader(text.String()))
	all.Close()
	told := fmt.Sprintf(`lines left out" lines=%d children=1`, lines+3)
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.Contains(out.String(), told) {
		t.Errorf("%d lines; want one, with %q:\n%s", n, told, out.String())
	}
}
