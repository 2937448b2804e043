package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// clientBound finds clients of which a consumer had no processor time left: what they
// wrote says more about them than about the storage.
func clientBound(r *report.Report) []report.Finding {
	var list []report.Finding
	for i := range r.Clients {
		var names, evidence []string
		series := &r.Series.Clients[i]
		writers := make(map[uint32]int)
		for _, c := range r.Clients[i].Workload.Consumers {
			writers[c.Index] = int(c.Concurrency)
			for _, s := range r.Clients[i].Workload.Stages {
				writers[c.Index] = max(writers[c.Index], int(s.Concurrency))
			}
		}
		for k := range series.Processes {
			p := &series.Processes[k]
			text, bound := saturated(p, max(writers[p.Index], 1), r.Series)
			if bound && p.Kind == report.KindConsumer {
				names, evidence = append(names, p.Name), append(evidence, p.Name+": "+text)
			}
		}
		if len(names) == 0 {
			continue
		}
		f := about(&r.Clients[i], report.FindingClientBound)
		f.Text = fmt.Sprintf("client %s was bound by its own processor, not by the storage: %s", f.Client,
			andMore(names))
		f.Evidence = andMore(evidence)
		f.Threshold = fmt.Sprintf("%v processors or more for each writer of a consumer, in at least half of its "+
			"sampled intervals, not counting stalled ones", boundCPU)
		list = append(list, f)
	}
	return list
}

// saturated reports whether a process used all of a processor for each of its writers in most
// of its intervals: one with several writers is not bound as long as they have more to use.
func saturated(p *report.ProcessSeries, writers int, s *report.Series) (text string, bound bool) {
	known, hot, sum := 0, 0, 0.0
	limit := float64(float32(boundCPU)) * float64(writers)
	for i, cpu := range p.CPU {
		if cpu < 0 || !s.ClientJudged(i) {
			continue
		}
		known++
		sum += float64(cpu)
		if float64(cpu) >= limit && p.Beats[i] != report.BeatStalled {
			hot++
		}
	}
	if known < boundSampled || float64(hot) < boundShare*float64(known) {
		return "", false
	}
	return fmt.Sprintf("%.4g processors or more in %d of %d intervals, %.2f on average", limit, hot, known,
		sum/float64(known)), true
}

// andMore lists texts, but no more than maxNamed.
func andMore(list []string) string {
	if more := len(list) - words.MaxNamed; more > 1 {
		list = append(slices.Clone(list[:words.MaxNamed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, ", ")
}

// stragglers finds clients that wrote much slower than others with the same workload,
// and those that were done much later.
func stragglers(r *report.Report) []report.Finding {
	peers := make(map[string][]*report.Client)
	var order []string
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.BytesPerSecond == 0 || c.Resent {
			continue
		}
		key := loadOf(c)
		if peers[key] == nil {
			order = append(order, key)
		}
		peers[key] = append(peers[key], c)
	}
	var list []report.Finding
	for _, key := range order {
		if group := peers[key]; len(group) >= stragglerPeers {
			list = append(list, slow(group)...)
			list = append(list, apart(group)...)
		}
	}
	return list
}

// loadOf names what a client was to write, so that only like is compared with like.
func loadOf(c *report.Client) string {
	text := words.Workload(&c.Workload)
	for i := range c.Workload.Consumers {
		text += "\n" + words.ConsumerLoad(&c.Workload.Consumers[i])
	}
	return text
}

// slow finds the slow ones of a group, the slowest first.
func slow(group []*report.Client) []report.Finding {
	rates := make([]float64, len(group))
	for i, c := range group {
		rates[i] = float64(c.BytesPerSecond)
	}
	middle := median(rates)
	slowest := slices.SortedStableFunc(slices.Values(group),
		func(a, b *report.Client) int { return cmp.Compare(a.BytesPerSecond, b.BytesPerSecond) })
	var list []report.Finding
	for _, c := range slowest {
		share := float64(c.BytesPerSecond) / middle
		if share >= stragglerRate {
			continue
		}
		f := about(c, report.FindingStraggler)
		f.Text = fmt.Sprintf("client %s was slow: %s MB/s, %.0f %% of the median client", c.Label,
			human.Megabytes(c.BytesPerSecond), 100*share)
		f.Evidence = fmt.Sprintf("median of %d clients with the same workload: %s MB/s", len(group),
			human.Megabytes(uint64(middle)))
		f.Threshold = fmt.Sprintf("below %.0f %% of the median", 100*stragglerRate)
		list = append(list, f)
	}
	return list
}

// apart finds that the clients of a group were not done together.
func apart(group []*report.Client) []report.Finding {
	var first, last *report.Client
	var longest int64
	for _, c := range group {
		if c.Outcome != report.OutcomeClosed {
			continue
		}
		if first == nil || doneAt(c) < doneAt(first) {
			first = c
		}
		if last == nil || doneAt(c) > doneAt(last) {
			last = c
		}
		longest = max(longest, c.WritingNano)
	}
	if first == nil || longest == 0 {
		return nil
	}
	spread := report.Between(doneAt(first), doneAt(last))
	if float64(spread) <= stragglerSpread*float64(longest) {
		return nil
	}
	f := about(last, report.FindingStraggler)
	f.Text = fmt.Sprintf("client %s was done %s after the first one", last.Label, human.Duration(spread))
	f.Evidence = fmt.Sprintf("first done: %s at %s; last done: %s at %s", first.Label,
		words.TimeOfDay(0, doneAt(first)), last.Label, words.TimeOfDay(0, doneAt(last)))
	f.Threshold = fmt.Sprintf("more than %.0f %% of the longest time of writing, which is %s", 100*stragglerSpread,
		human.Duration(longest))
	return []report.Finding{f}
}

// doneAt returns when a client ended its load, on the supervisor's clock.
func doneAt(c *report.Client) report.Stamp {
	if c.StoppedAt != 0 {
		return c.StoppedAt - report.Stamp(c.ClockOffsetNano)
	}
	return c.LastMessageAt - report.Stamp(c.ClockOffsetNano)
}

// rolloverPenalty judges whether writes are slower where files are rolled over, if any were.
// An interval with rollovers is compared with those without of the same client: clients that
// roll over more often than others may also be slower for another reason.
func rolloverPenalty(r *report.Report) []report.Finding {
	var ratios []float64
	with, without := 0, 0
	for i := range r.Series.Clients {
		c := &r.Series.Clients[i]
		var own, ownWithout []float64
		for k, p99 := range c.P99Nano {
			switch {
			case p99 < 0 || !r.Series.ClientJudged(k):
			case c.Rollovers[k] > 0:
				own = append(own, float64(p99))
			default:
				ownWithout = append(ownWithout, float64(p99))
			}
		}
		with += len(own)
		if len(own) == 0 || len(ownWithout) == 0 {
			continue
		}
		without += len(ownWithout)
		if usual := median(ownWithout); usual > 0 {
			for _, p99 := range own {
				ratios = append(ratios, p99/usual)
			}
		}
	}
	if with == 0 {
		return nil
	}
	f := report.Finding{Kind: report.FindingRollover, Severity: report.SeverityNote,
		Threshold: fmt.Sprintf("%d times as high, with at least %d intervals of each", rolloverRatio, rolloverSampled)}
	if len(ratios) < rolloverSampled || without < rolloverSampled {
		f.Untold = true
		f.Text = "whether chunk writes are slower where files roll over cannot be told: there are too few intervals " +
			"to compare"
		f.Evidence = fmt.Sprintf("%s of %s with rollovers, %d without of the same clients",
			words.Plural(uint64(with), "interval"), human.Duration(r.Series.ClientIntervalNano), without)
		return []report.Finding{f}
	}
	ratio := median(ratios)
	word := "hardly slower"
	switch {
	case ratio >= rolloverRatio:
		f.Severity, word = report.SeverityWarning, "slower"
	case ratio < 1.05:
		word = "not slower"
	}
	f.Text = fmt.Sprintf("chunk writes are %s where files roll over: p99 is %.1f times as high", word, ratio)
	f.Evidence = fmt.Sprintf("p99 of %d intervals with rollovers, over the median of those without of the same "+
		"client: from %.1f to %.1f; %d without",
		len(ratios), slices.Min(ratios), slices.Max(ratios), without)
	return []report.Finding{f}
}
