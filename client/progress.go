package client

import (
	"time"

	"bulkhead/client/spec"
)

const (
	// showEvery is the time between two calls of Config.Progress.
	showEvery = 500 * time.Millisecond
	// rateOver is how many of them the rate is over: consumers say only each
	// progress interval what they have written.
	rateOver = 10
)

// showProgress reports to Config.Progress, if it is set, how far the load is until stop is called,
// and then that it ends.
func (l *load) showProgress(began time.Time) (stop func()) {
	if l.cfg.Progress == nil {
		return func() {}
	}
	ends, ended := make(chan struct{}), make(chan struct{})
	go func() { // ended and awaited by stop
		defer close(ended)
		again := time.NewTicker(showEvery)
		defer again.Stop()
		rate := rateMeter{}
		for over := false; ; {
			now := l.tally.totals()
			elapsed := time.Since(began)
			l.cfg.Progress(spec.Progress{
				Elapsed: elapsed, Runtime: l.cfg.Warmup + l.cfg.Runtime,
				BytesPerSecond: rate.add(elapsed, now.written()),
				Bytes:          now.written(), Files: now.Files, Errors: now.Errors, TotalBytes: l.cfg.TotalBytes,
				Stage: l.stages.name(), Ending: over,
			})
			if over {
				return
			}
			select {
			case <-again.C:
			case <-ends:
				over = true
			}
		}
	}()
	return func() { close(ends); <-ended }
}

// rateMeter is a rate over the last samples.
type rateMeter struct {
	samples []sample
}

// sample is a total at a time.
type sample struct {
	at    time.Duration
	total uint64
}

// add takes a sample and returns the rate per second since the oldest that is kept.
func (m *rateMeter) add(at time.Duration, total uint64) float64 {
	m.samples = append(m.samples, sample{at, total})
	if len(m.samples) > rateOver+1 {
		m.samples = m.samples[1:]
	}
	first := m.samples[0]
	if at <= first.at || total < first.total {
		return 0
	}
	return float64(total-first.total) / (at - first.at).Seconds()
}
