package client

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/plural"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// faults follow the failures of one consumer, so that the log tells the first of a
// row and the end of it, and nothing in between.
type faults struct {
	name   string
	log    *slog.Logger
	since  time.Time // of the first in the row; zero outside of one
	errors uint64    // in the row
	reads  bool      // all of them, as far as is known, were of reading back, which says nothing of writing
}

// watch takes note of what a consumer says at the time now. A row ends with an
// interval that has work and no errors; one without both is a pause.
func (f *faults) watch(m *bulkheadv1.Message, now time.Time) {
	p := m.GetProgress()
	switch {
	case p.GetErrors() > 0:
		text, reads := p.GetLastError(), p.GetVerifyErrors() == p.GetErrors()
		if f.since.IsZero() || f.reads && !reads {
			f.since, f.errors, f.reads = now, 0, reads
			what := "writes fail"
			switch {
			case reads:
				what, text = "reading back fails", strings.TrimPrefix(strings.TrimPrefix(text, "verify: "), "reader: ")
			case p.GetVerifyErrors() > 0: // the text is of either
				what = "writes and reading back fail, the last"
			}
			f.log.Warn(fmt.Sprintf("%s: %s: %s", f.name, what, text))
		}
		f.errors += p.GetErrors()
	case p.GetBytes() > 0 && !f.since.IsZero():
		if !f.reads {
			f.log.Info(fmt.Sprintf("%s: writes work again after %s in %s", f.name, plural.Of(f.errors, "error"),
				human.BriefDuration(now.Sub(f.since))))
		}
		f.since = time.Time{}
	}
}
