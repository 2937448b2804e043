package client

import (
	"cmp"
	"fmt"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// wait returns why the load must end.
func (l *load) wait(stop *interrupts, began time.Time) ending {
	over := l.overAfter(began)
	defer over.Stop()
	staged := never()
	defer staged.Stop()
	lines := l.whenToLog()
	defer lines.Stop()
	stopShowing := l.showProgress(began)
	defer stopShowing()
	looks, stopLooking := l.looksForSteady()
	defer stopLooking()
	consumers := 0
	for _, one := range l.workers.consumers {
		if one.child != nil {
			consumers++
		}
	}
	var before totals
	var lost *worker // the last consumer that ended
	for {
		if consumers == 0 && stop.abort.Err() == nil {
			return ending{reason: bulkheadv1.StopReason_STOP_REASON_FAILED, detail: noneLeft(lost)}
		}
		if why, over := early(stop, l.session); over {
			return why
		}
		l.takeShare()
		if l.stages != nil {
			again, yes := l.stagesOver()
			if yes {
				return l.endOfStages(began)
			}
			staged.Reset(min(again, l.awaitOthers(over)))
		}
		select {
		case <-over.C:
			return ending{reason: bulkheadv1.StopReason_STOP_REASON_RUNTIME}
		case <-staged.C:
		case <-l.stages.said():
		case <-l.session.GatherNews():
		case <-l.written:
			return ending{reason: bulkheadv1.StopReason_STOP_REASON_TOTAL}
		case now := <-looks:
			if words, yes := l.speed.steady(l.cfg.Steady, now.Sub(began), max(l.cfg.AllBegun(), l.cfg.Warmup)); yes {
				l.cfg.Logger.Info("the throughput is steady: " + words)
				return ending{reason: bulkheadv1.StopReason_STOP_REASON_STEADY, detail: words}
			}
		case err := <-l.refused:
			l.cfg.Logger.Error("messages have no room, ending the load: " + err.Error())
			return ending{reason: bulkheadv1.StopReason_STOP_REASON_FAILED, detail: err.Error()}
		case one := <-l.ended:
			if one.endedWork == bulkheadv1.StopReason_STOP_REASON_RESERVE {
				l.cfg.Logger.Warn("load ended: " + one.stopped)
				return ending{reason: one.endedWork, detail: one.stopped}
			}
			if one != l.workers.monitor {
				consumers--
				lost = one
			}
		case <-lines.C:
			before = l.logProgress(before, began)
		case <-stop.orderly:
		case <-stop.abort.Done():
		case <-l.session.Drained:
		case <-l.session.done:
		}
	}
}

// overAfter returns when the runtime is over. That of a load with stages is the consumers' to know; it
// bounds how long they are waited for.
func (l *load) overAfter(began time.Time) *time.Timer {
	whole := l.cfg.Warmup + l.cfg.Runtime
	if l.stages != nil {
		leg, bounded := l.cfg.Stages.Leg(0)
		if !bounded {
			return never()
		}
		whole = leg + l.cfg.StallAfter + 2*stageSlack
	}
	return time.NewTimer(time.Until(began) + whole)
}

// never returns a timer that does not fire.
func never() *time.Timer {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return timer
}

// looksForSteady returns when to look whether the throughput is steady; never if nobody asked.
func (l *load) looksForSteady() (looks <-chan time.Time, stop func()) {
	if l.cfg.Steady.Window <= 0 {
		return nil, func() {}
	}
	ticker := time.NewTicker(l.cfg.ProgressInterval)
	return ticker.C, ticker.Stop
}

// noneLeft returns in words that no consumer is left, and how the last one ended.
func noneLeft(last *worker) string {
	if last == nil {
		return "no consumer is left"
	}
	return fmt.Sprintf("no consumer is left; the last, %s: %s", last.name(),
		cmp.Or(last.stopped, cmp.Or(last.reason, "it ended its work by itself")))
}

// whenToLog returns when a line of progress is due: never if nobody wants one.
func (l *load) whenToLog() *time.Ticker {
	if l.cfg.Progress == nil && l.cfg.LogProgress > 0 {
		return time.NewTicker(l.cfg.LogProgress)
	}
	never := time.NewTicker(time.Hour)
	never.Stop()
	return never
}

// logProgress writes the line of progress.
func (l *load) logProgress(before totals, began time.Time) totals {
	now := l.tally.totals()
	about := []any{"rate_bytes_per_second", float64(now.written()-before.written()) / l.cfg.LogProgress.Seconds(),
		"written_bytes", now.written(), "files", now.Files, "errors", now.Errors}
	if name := l.stages.name(); name != "" {
		about = append(about, "stage", name)
	}
	if whole := l.cfg.Warmup + l.cfg.Runtime; whole > 0 {
		about = append(about, "left", max(0, whole-time.Since(began)).Round(100*time.Millisecond))
	}
	l.cfg.Logger.Info("writing", about...)
	return now
}
