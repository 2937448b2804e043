package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// clientBound finds clients of which a consumer had no processor time left: what they
// wrote says more about them than about the storage.
func clientBound(r *Report) []Finding {
	var list []Finding
	for i := range r.Clients {
		var names, evidence []string
		series := &r.Series.Clients[i]
		writers := make(map[string]int)
		for _, c := range r.Clients[i].Workload.Consumers {
			writers[processName(&Process{Kind: KindConsumer, Index: c.Index})] = int(c.Concurrency)
		}
		for k := range series.Processes {
			p := &series.Processes[k]
			text, bound := saturated(p, max(writers[p.Name], 1))
			if bound && strings.HasPrefix(p.Name, KindConsumer) {
				names, evidence = append(names, p.Name), append(evidence, p.Name+": "+text)
			}
		}
		if len(names) == 0 {
			continue
		}
		f := about(&r.Clients[i], FindingClientBound)
		f.Text = fmt.Sprintf("client %s was bound by its own processor, not by the storage: %s", f.Client, andMore(names))
		f.Evidence = andMore(evidence)
		f.Threshold = fmt.Sprintf("%v processors or more for each writer of a consumer, in at least half of its sampled intervals, not counting stalled ones", boundCPU)
		list = append(list, f)
	}
	return list
}

// saturated says whether a process used all of a processor for each of its writers in most
// of its intervals: one with several writers is not bound as long as they have more to use.
func saturated(p *ProcessSeries, writers int) (text string, bound bool) {
	known, hot, sum := 0, 0, 0.0
	limit := float64(float32(boundCPU)) * float64(writers)
	for i, cpu := range p.CPU {
		if cpu < 0 {
			continue
		}
		known++
		sum += float64(cpu)
		if float64(cpu) >= limit && p.Beats[i] != BeatStalled {
			hot++
		}
	}
	if known < boundSampled || float64(hot) < boundShare*float64(known) {
		return "", false
	}
	return fmt.Sprintf("%.4g processors or more in %d of %d intervals, %.2f on average", limit, hot, known, sum/float64(known)), true
}

// andMore lists texts, but no more than maxNamed.
func andMore(list []string) string {
	if more := len(list) - maxNamed; more > 1 {
		list = append(slices.Clone(list[:maxNamed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, ", ")
}

// stragglers finds clients that wrote much slower than others with the same workload,
// and those that were done much later.
func stragglers(r *Report) []Finding {
	peers := make(map[string][]*Client)
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
	var list []Finding
	for _, key := range order {
		if group := peers[key]; len(group) >= stragglerPeers {
			list = append(list, slow(group)...)
			list = append(list, apart(group)...)
		}
	}
	return list
}

// loadOf names what a client was to write, so that only like is compared with like.
func loadOf(c *Client) string {
	text := workloadLine(&c.Workload)
	for i := range c.Workload.Consumers {
		text += "\n" + c.Workload.Consumers[i].load()
	}
	return text
}

// slow finds the slow ones of a group, the slowest first.
func slow(group []*Client) []Finding {
	rates := make([]float64, len(group))
	for i, c := range group {
		rates[i] = float64(c.BytesPerSecond)
	}
	middle := median(rates)
	slowest := slices.SortedStableFunc(slices.Values(group), func(a, b *Client) int { return cmp.Compare(a.BytesPerSecond, b.BytesPerSecond) })
	var list []Finding
	for _, c := range slowest {
		share := float64(c.BytesPerSecond) / middle
		if share >= stragglerRate {
			continue
		}
		f := about(c, FindingStraggler)
		f.Text = fmt.Sprintf("client %s was slow: %s MB/s, %.0f %% of the median client", c.Label, megabytes(c.BytesPerSecond), 100*share)
		f.Evidence = fmt.Sprintf("median of %d clients with the same workload: %s MB/s", len(group), megabytes(uint64(middle)))
		f.Threshold = fmt.Sprintf("below %.0f %% of the median", 100*stragglerRate)
		list = append(list, f)
	}
	return list
}

// apart finds that the clients of a group were not done together.
func apart(group []*Client) []Finding {
	var first, last *Client
	var longest int64
	for _, c := range group {
		if c.Outcome != OutcomeClosed {
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
	spread := between(doneAt(first), doneAt(last))
	if float64(spread) <= stragglerSpread*float64(longest) {
		return nil
	}
	f := about(last, FindingStraggler)
	f.Text = fmt.Sprintf("client %s was done %s after the first one", last.Label, human(spread))
	f.Evidence = fmt.Sprintf("first done: %s at %s; last done: %s at %s", first.Label, timeOfDay(0, doneAt(first)), last.Label, timeOfDay(0, doneAt(last)))
	f.Threshold = fmt.Sprintf("more than %.0f %% of the longest time of writing, which is %s", 100*stragglerSpread, human(longest))
	return []Finding{f}
}

// doneAt is when a client ended its load, on the supervisor's clock.
func doneAt(c *Client) Stamp {
	if c.StoppedAt != 0 {
		return c.StoppedAt - Stamp(c.ClockOffsetNano)
	}
	return c.LastMessageAt - Stamp(c.ClockOffsetNano)
}

// rolloverPenalty judges whether writes are slower where files are rolled over, if any were.
// An interval with rollovers is compared with those without of the same client: clients that
// roll over more often than others may also be slower for another reason.
func rolloverPenalty(r *Report) []Finding {
	var ratios []float64
	with, without := 0, 0
	for i := range r.Series.Clients {
		c := &r.Series.Clients[i]
		var own, ownWithout []float64
		for k, p99 := range c.P99Nano {
			switch {
			case p99 < 0:
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
	f := Finding{Kind: FindingRollover, Severity: SeverityNote,
		Threshold: fmt.Sprintf("%d times as high, with at least %d intervals of each", rolloverRatio, rolloverSampled)}
	if len(ratios) < rolloverSampled || without < rolloverSampled {
		f.Untold = true
		f.Text = "whether chunk writes are slower where files roll over cannot be told: there are too few intervals to compare"
		f.Evidence = fmt.Sprintf("%s of %s with rollovers, %d without of the same clients", plural(uint64(with), "interval"), human(r.Series.ClientIntervalNano), without)
		return []Finding{f}
	}
	ratio := median(ratios)
	word := "hardly slower"
	switch {
	case ratio >= rolloverRatio:
		f.Severity, word = SeverityWarning, "slower"
	case ratio < 1.05:
		word = "not slower"
	}
	f.Text = fmt.Sprintf("chunk writes are %s where files roll over: p99 is %.1f times as high", word, ratio)
	f.Evidence = fmt.Sprintf("p99 of %d intervals with rollovers, over the median of those without of the same client: from %.1f to %.1f; %d without",
		len(ratios), slices.Min(ratios), slices.Max(ratios), without)
	return []Finding{f}
}

// median returns the middle of list, which is not empty, and sorts it.
func median(list []float64) float64 {
	slices.Sort(list)
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}

// steadyState finds when the rate of all clients together was steady, or that it never
// was.
func steadyState(r *Report) []Finding {
	rates := r.rates()
	written := 0
	for _, rate := range rates {
		if rate > 0 {
			written++
		}
	}
	if written == 0 {
		return nil
	}
	f := Finding{Kind: FindingSteady, Threshold: fmt.Sprintf("coefficient of variation of the rate at most %v over %d intervals in a row or more",
		steadyVariation, steadyIntervals)}
	w, least := steadyWindow(rates)
	switch step := r.Series.IntervalNano; {
	case w.to > w.from:
		f.Text = fmt.Sprintf("the rate was steady from +%s on, for %s: %s MB/s", human(r.Series.OffsetNano+int64(w.from)*step), human(int64(w.to-w.from)*step), megabytes(uint64(w.mean))) +
			r.missing(w)
		f.Evidence = fmt.Sprintf("coefficient of variation %.3f over %d intervals of %s", w.variation, w.to-w.from, human(step))
	case least < 0 && r.steadyEnds() > 0:
		f.Text = fmt.Sprintf("the throughput was steady, as %s found by itself and ended for; since when in the whole run, %s of it do not tell",
			plural(uint64(r.steadyEnds()), "client"), plural(uint64(written), "interval"))
		f.Evidence = fmt.Sprintf("something was written in %s of %s", plural(uint64(written), "interval"), human(step))
	case least < 0:
		f.Untold = true
		f.Text = "the run did not write long enough without a pause to tell whether its rate was steady"
		f.Evidence = fmt.Sprintf("something was written in %s of %s", plural(uint64(written), "interval"), human(step))
	default:
		f.Text = "the rate was never steady"
		if n := r.steadyEnds(); n > 0 {
			f.Text = fmt.Sprintf("the rate of the whole run was never steady by this measure; %s ended because its own was, by stop_when", plural(uint64(n), "client"))
		}
		f.Evidence = fmt.Sprintf("lowest coefficient of variation of %d intervals of %s in a row: %.3f", steadyIntervals, human(step), least)
	}
	return []Finding{f}
}

// steadyEnds is how many clients ended their load because it was steady by what they were
// told.
func (r *Report) steadyEnds() int {
	n := 0
	for i := range r.Clients {
		if r.Clients[i].StopReason == "steady" {
			n++
		}
	}
	return n
}

// missing says how many clients wrote in a window, in the middle of its intervals, if that is
// not all who wrote in the run: a rate that is steady because others have gone is not the rate of all.
func (r *Report) missing(w steady) string {
	wrote := 0
	for i := range r.Clients {
		if r.Clients[i].Bytes > 0 {
			wrote++
		}
	}
	if len(r.Series.Total.Active) < w.to {
		return ""
	}
	active := slices.Sorted(slices.Values(r.Series.Total.Active[w.from:w.to]))
	if usual := int(active[len(active)/2]); usual < wrote {
		return fmt.Sprintf(", with %d of %s writing", usual, plural(uint64(wrote), "client"))
	}
	return ""
}

// rates returns the bytes per second of all clients together, in each interval that is
// whole.
func (r *Report) rates() []float64 {
	s := r.Series
	list := make([]float64, 0, s.Intervals)
	for i, bytes := range s.Total.Bytes {
		if r.spanNano(i, s.IntervalNano) < s.IntervalNano {
			break
		}
		list = append(list, float64(bytes)/float64(s.IntervalNano)*1e9)
	}
	return list
}

// spanNano is how long interval i of length step is: less than that for the last one alone.
func (r *Report) spanNano(i int, step int64) int64 {
	length := between(r.Series.StartAt, r.Series.EndAt)
	if r.Series.EndAt == 0 { // a report made before it was known
		length = r.Run.LengthNano
	}
	return max(min(length-int64(i)*step, step), 0)
}

// steady is a window of intervals.
type steady struct {
	from, to        int // to is not in it
	mean, variation float64
}

// steadyWindow returns the longest window of intervals whose coefficient of variation
// (standard deviation over mean) is at most steadyVariation, the earliest of several;
// none if to is 0. None has an interval of rate 0. least is the lowest coefficient of a window
// of steadyIntervals, or -1 if there is no such window.
func steadyWindow(rates []float64) (w steady, least float64) {
	least = -1
	for from := range rates {
		var sum, squares float64
		for to := from; to < len(rates) && rates[to] > 0; to++ {
			// In units of the first rate, so that the squares keep their precision.
			x := rates[to] / rates[from]
			sum, squares = sum+x, squares+x*x
			n := float64(to + 1 - from)
			if n < steadyIntervals {
				continue
			}
			mean := sum / n
			variation := math.Sqrt(max(squares/n-mean*mean, 0)*n/(n-1)) / mean
			if n == steadyIntervals && (least < 0 || variation < least) {
				least = variation
			}
			if variation <= steadyVariation && to+1-from > w.to-w.from {
				w = steady{from, to + 1, mean * rates[from], variation}
			}
		}
	}
	return w, least
}
