package results

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/internal/sink"
)

// reader takes what is written to it a piece at a time, each after a pause, and nothing after
// the last of them.
type reader struct {
	pauses []time.Duration
	over   chan struct{} // ends the write that nobody takes
	taken  bytes.Buffer
}

func (r *reader) Write(p []byte) (int, error) {
	if len(r.pauses) == 0 {
		<-r.over
		return 0, io.ErrClosedPipe
	}
	time.Sleep(r.pauses[0])
	r.pauses = r.pauses[1:]
	return r.taken.Write(p)
}

// finish prints size bytes to r, and returns how long that took and what was logged.
func finish(t *testing.T, r *reader, size int, signals <-chan os.Signal, asked bool) (time.Duration, string) {
	t.Helper()
	var log bytes.Buffer
	q := NewQueue(Of(r), sink.New(io.Discard), true)
	q.Add(Result{Lasting: "/runs/1/report.txt", Print: func(w io.Writer) {
		_, _ = w.Write(make([]byte, size)) // Stdout keeps its error
	}})
	began := time.Now()
	q.Finish(signals, asked, slog.New(slog.NewTextHandler(&log, nil)))
	return time.Since(began), log.String()
}

// A reader that takes nothing is given up by itself once the process was asked to end, and the
// log says where the report is.
func TestAReaderThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{over: make(chan struct{})}
		defer close(r.over)
		took, log := finish(t, r, 100, nil, true)
		if took != Patience || !strings.Contains(log, "nobody reads standard output; it is in /runs/1/report.txt") {
			t.Errorf("it took %v, and the log says %s", took, log)
		}
	})
}

// A reader that takes a page now and then is waited for, however long all of it takes; one
// that stops then is given up.
func TestASlowReaderIsWaitedFor(t *testing.T) {
	const pages = 20
	slow := Patience - time.Second
	pauses := func(n int) (out []time.Duration) {
		for range n {
			out = append(out, slow)
		}
		return out
	}
	synctest.Test(t, func(t *testing.T) {
		r := &reader{pauses: pauses(pages), over: make(chan struct{})}
		if took, log := finish(t, r, pages*pieceBytes, nil, true); took != pages*slow || log != "" {
			t.Errorf("it took %v, and the log says %s", took, log)
		}
		if r.taken.Len() != pages*pieceBytes {
			t.Errorf("%d bytes arrived; want %d", r.taken.Len(), pages*pieceBytes)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := &reader{pauses: pauses(3), over: make(chan struct{})}
		defer close(r.over)
		if took, _ := finish(t, r, pages*pieceBytes, nil, true); took != 3*slow+Patience {
			t.Errorf("it took %v; want %v", took, 3*slow+Patience)
		}
	})
}

// What computes before its first write, or between two, is not a reader that takes nothing.
func TestAPrintThatComputes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const computes = 3 * Patience
		r := &reader{pauses: []time.Duration{time.Second, time.Second}}
		var log bytes.Buffer
		q := NewQueue(Of(r), sink.New(io.Discard), true)
		q.Add(Result{Print: func(w io.Writer) {
			for range 2 {
				time.Sleep(computes)
				_, _ = w.Write(make([]byte, 100)) // Stdout keeps its error
			}
		}})
		began := time.Now()
		q.Finish(nil, true, slog.New(slog.NewTextHandler(&log, nil)))
		if took := time.Since(began); took != 2*computes+2*time.Second || r.taken.Len() != 200 || log.Len() > 0 {
			t.Errorf("after %v %d bytes have arrived; want 200 after %v; the log says %s", took, r.taken.Len(),
				2*computes+2*time.Second, &log)
		}
	})
}

// A terminal that takes no line of the log is waited for before anything is printed on it.
func TestATerminalThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := Of(io.Discard)
		began := time.Now()
		out.waits()
		time.Sleep(2 * time.Second)
		if held := out.held(began); held != 2*time.Second || !out.HeldUp() {
			t.Errorf("held for %v, held up: %v", held, out.HeldUp())
		}
		if held := out.held(began.Add(time.Second)); held != time.Second {
			t.Errorf("held for %v since a second ago", held)
		}
		out.waited()
		if held := out.held(began); held != 0 || out.HeldUp() {
			t.Errorf("held for %v, held up: %v, with nothing to take", held, out.HeldUp())
		}
	})
}

// A reader that began to take nothing long before the process was asked to end gets all of
// Patience from then on.
func TestPatienceBeginsWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{over: make(chan struct{})}
		defer close(r.over)
		q := NewQueue(Of(r), sink.New(io.Discard), false)
		q.Add(Result{Print: func(w io.Writer) { _, _ = w.Write(make([]byte, 100)) }}) // Stdout keeps its error
		time.Sleep(100 * Patience)
		began := time.Now()
		q.Finish(nil, true, slog.New(slog.DiscardHandler))
		if took := time.Since(began); took != Patience {
			t.Errorf("it took %v; want %v", took, Patience)
		}
	})
}

// A signal ends the printing after a moment; SIGHUP does not.
func TestASignalEndsPrinting(t *testing.T) {
	for sig, want := range map[syscall.Signal]time.Duration{syscall.SIGTERM: LastMoment, syscall.SIGHUP: Patience} {
		synctest.Test(t, func(t *testing.T) {
			r := &reader{over: make(chan struct{})}
			defer close(r.over)
			signals := make(chan os.Signal, 1)
			signals <- sig
			if took, _ := finish(t, r, 100, signals, true); took != want {
				t.Errorf("after %v it took %v; want %v", sig, took, want)
			}
		})
	}
}

// Nobody has asked the process to end: a reader may think for as long as it likes.
func TestAReaderAtAPager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pages = 3
		r := &reader{pauses: []time.Duration{time.Second, 100 * Patience, time.Second}}
		took, log := finish(t, r, pages*pieceBytes, nil, false)
		if r.taken.Len() != pages*pieceBytes || log != "" {
			t.Errorf("after %v %d bytes have arrived; want %d; the log says %s", took, r.taken.Len(), pages*pieceBytes,
				log)
		}
	})
}
