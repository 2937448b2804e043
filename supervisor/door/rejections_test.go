package door

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/time/rate"
)

// A burst of rejections is a few lines and a count.
func TestRejectionsDoNotFloodTheLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	r := &Rejections{limit: rate.NewLimiter(0, rejectionBurst)} // no further one comes with time
	for range 100 {
		r.Log(log, "bad bytes", "")
	}
	r.Flush(log)
	r.Flush(log)
	if got := strings.Count(out.String(), "connection rejected"); got != rejectionBurst {
		t.Errorf("%d lines; want %d", got, rejectionBurst)
	}
	if got := strings.Count(out.String(), "connections=80"); got != 1 ||
		strings.Count(out.String(), "\n") != rejectionBurst+1 {
		t.Errorf("the other 80 are told %d times; want once:\n%s", got, out.String())
	}
}
