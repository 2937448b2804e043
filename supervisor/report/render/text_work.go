package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// writes prints what each consumer wrote.
func (p *Page) writes(shown []*report.Process) {
	t := table.New("process", ">bytes", ">chunks", ">MB/s", ">p50", ">p99", ">p99.9", ">max", ">response p99",
		">sync p50/max",
		">verified", ">corrupt", ">errors", "last error")
	for _, q := range shown {
		w := q.Writes
		if w == nil {
			continue
		}
		l := &w.ChunkWrite
		errors, last := writersErrors(w)
		t.Row(words.ProcessName(q), human.Size(w.Bytes), human.Count(w.Chunks), human.Megabytes(w.BytesPerSecond),
			percentile(l, l.P50Nano),
			percentile(l, l.P99Nano), percentile(l, l.P999Nano), percentile(l, l.MaxNano), responseP99(w), syncs(w),
			sizeUnlessZero(w.VerifiedBytes), human.UnlessZero(w.CorruptBlocks), human.UnlessZero(errors), last)
	}
	p.section("writes, and the latency of a chunk's write", t)
}

// writersErrors returns how many errors are not those of readers, and the last error if there are any.
func writersErrors(w *report.Writes) (count uint64, last string) {
	count = w.Errors
	if w.Reads != nil {
		count -= min(w.Reads.Errors, count)
	}
	if count == 0 {
		return 0, ""
	}
	return count, w.LastError
}

// reads prints what each consumer read beside the writing.
func (p *Page) reads(shown []*report.Process) {
	t := table.New("process", ">bytes", ">reads", ">MB/s", ">p50", ">p99", ">p99.9", ">max", ">response p99",
		">verified", ">from the page cache", ">errors")
	for _, q := range shown {
		if q.Writes == nil || q.Writes.Reads == nil {
			continue
		}
		r := q.Writes.Reads
		l := &r.Latency
		response := ""
		if r.Response.Known() {
			response = human.Duration(r.Response.P99Nano)
		}
		t.Row(words.ProcessName(q), human.Size(r.Bytes), human.Count(r.Operations), human.Megabytes(r.BytesPerSecond),
			percentile(l, l.P50Nano), percentile(l, l.P99Nano), percentile(l, l.P999Nano), percentile(l, l.MaxNano),
			response, sizeUnlessZero(r.VerifiedBytes), words.CachedShare(r), human.UnlessZero(r.Errors))
	}
	p.section("reads beside the writing, and their latency", t)
}

// rollovers prints the finished files of a client: a line for each consumer, and
// the newest files.
func (p *Page) rollovers(c *report.Client, shown []*report.Process) {
	t := table.New("process", ">files", ">partial", ">recycled", "size", ">create p50/max", ">write p50/max",
		">sync p50/max", ">close p50/max")
	var newest []finished
	for _, q := range shown {
		r := q.Rollovers
		if r == nil || r.Files == 0 {
			continue
		}
		t.Row(words.ProcessName(q), human.Count(r.Files), human.UnlessZero(r.Partial), human.UnlessZero(r.Recycled),
			sizes(r.SmallestBytes, r.LargestBytes),
			typical(&r.Create), typical(&r.Write), typical(&r.Sync), typical(&r.Close))
		for j := range r.List {
			newest = append(newest, finished{words.ProcessName(q), &r.List[j]})
		}
	}
	p.section("rollovers", t)
	if len(newest) == 0 {
		return
	}
	slices.SortStableFunc(newest, func(a, b finished) int { return cmp.Compare(a.ClosedAt, b.ClosedAt) })
	newest = newest[max(len(newest)-shownRollovers, 0):]
	p.Line("%sthe last %s", Indent, words.Plural(uint64(len(newest)), "file"))
	p.files(c, newest)
	if n := c.RolloversLeftOut; n > 0 {
		p.Line("%s%s older files are counted, but not listed in report.json", Indent, human.Count(n))
	}
}

// finished is a rollover and the name of the process it is of.
type finished struct {
	process string
	*report.Rollover
}

func (p *Page) files(c *report.Client, list []finished) {
	t := table.New(">closed", "process", ">file", ">size", ">create", ">write", ">sync", ">close", "note", "path")
	t.KeepEnd = true // the file names
	for _, f := range list {
		t.Row(words.Offset(c.StartedAt, f.ClosedAt), f.process, fmt.Sprintf("#%d", f.FileIndex),
			human.Size(f.SizeBytes),
			human.Duration(f.CreateNano), human.Duration(f.WriteNano), human.Duration(f.SyncNano),
			human.Duration(f.CloseNano), note(f.Rollover), human.OrDash(f.Path))
	}
	t.Write(&p.Out, Indent+Indent, PageWidth)
}

// note returns what is unusual about a file.
func note(r *report.Rollover) string {
	var notes []string
	if r.Partial {
		notes = append(notes, "partial")
	}
	if r.Generation > 1 {
		notes = append(notes, fmt.Sprintf("generation %d", r.Generation))
	}
	switch r.Verification {
	case report.VerificationOK:
		notes = append(notes, "verified")
	case report.VerificationFailed:
		notes = append(notes, "NOT AS WRITTEN")
	}
	return strings.Join(notes, ", ")
}

// typical returns the median and the maximum.
func typical(l *report.Latency) string {
	if l.Count == 0 {
		return human.None
	}
	return human.Duration(l.P50Nano) + "/" + human.Duration(l.MaxNano)
}

// syncs returns the syncs of a consumer that does more than one for each file; nothing for
// others, whose rollovers say it.
func syncs(w *report.Writes) string {
	if !w.Phases.Sync.Known() || w.Phases.Sync.Count <= w.Files {
		return ""
	}
	return typical(w.Phases.Sync)
}

func sizeUnlessZero(bytes uint64) string {
	if bytes == 0 {
		return ""
	}
	return human.Size(bytes)
}
