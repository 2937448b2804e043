package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// writes prints what each consumer wrote.
func (p *page) writes(shown []*Process) {
	t := newTable("process", ">bytes", ">chunks", ">MB/s", ">p50", ">p99", ">p99.9", ">max", ">response p99", ">sync p50/max",
		">verified", ">corrupt", ">errors", "last error")
	for _, q := range shown {
		w := q.Writes
		if w == nil {
			continue
		}
		l := &w.ChunkWrite
		t.row(processName(q), size(w.Bytes), count(w.Chunks), megabytes(w.BytesPerSecond), percentile(l, l.P50Nano),
			percentile(l, l.P99Nano), percentile(l, l.P999Nano), percentile(l, l.MaxNano), responseP99(w), syncs(w),
			sizeUnlessZero(w.VerifiedBytes), unlessZero(w.CorruptBlocks), unlessZero(w.Errors), w.LastError)
	}
	p.section("writes, and the latency of a chunk's write", t)
}

// rollovers prints the finished files of a client: a line for each consumer, and
// the newest files.
func (p *page) rollovers(c *Client, shown []*Process) {
	t := newTable("process", ">files", ">partial", ">recycled", "size", ">create p50/max", ">write p50/max", ">sync p50/max", ">close p50/max")
	var newest []finished
	for _, q := range shown {
		r := q.Rollovers
		if r == nil || r.Files == 0 {
			continue
		}
		t.row(processName(q), count(r.Files), unlessZero(r.Partial), unlessZero(r.Recycled), sizes(r.SmallestBytes, r.LargestBytes),
			typical(&r.Create), typical(&r.Write), typical(&r.Sync), typical(&r.Close))
		for j := range r.List {
			newest = append(newest, finished{processName(q), &r.List[j]})
		}
	}
	p.section("rollovers", t)
	if len(newest) == 0 {
		return
	}
	slices.SortStableFunc(newest, func(a, b finished) int { return cmp.Compare(a.ClosedAt, b.ClosedAt) })
	newest = newest[max(len(newest)-shownRollovers, 0):]
	p.line("%sthe last %s", indent, plural(uint64(len(newest)), "file"))
	p.files(c, newest)
	if n := c.RolloversLeftOut; n > 0 {
		p.line("%s%s older files are counted, but not listed in report.json", indent, count(n))
	}
}

// finished is a rollover and the name of the process it is of.
type finished struct {
	process string
	*Rollover
}

func (p *page) files(c *Client, list []finished) {
	t := newTable(">closed", "process", ">file", ">size", ">create", ">write", ">sync", ">close", "note", "path")
	t.keepEnd = true // the file names
	for _, f := range list {
		t.row(offset(c.StartedAt, f.ClosedAt), f.process, fmt.Sprintf("#%d", f.FileIndex), size(f.SizeBytes),
			human(f.CreateNano), human(f.WriteNano), human(f.SyncNano), human(f.CloseNano), f.note(), orDash(f.Path))
	}
	t.write(&p.out, indent+indent, pageWidth)
}

// note is what is special about a file.
func (r *Rollover) note() string {
	var notes []string
	if r.Partial {
		notes = append(notes, "partial")
	}
	if r.Generation > 1 {
		notes = append(notes, fmt.Sprintf("generation %d", r.Generation))
	}
	switch r.Verification {
	case "ok":
		notes = append(notes, "verified")
	case verificationFailed:
		notes = append(notes, "NOT AS WRITTEN")
	}
	return strings.Join(notes, ", ")
}

// typical is the median and the maximum.
func typical(l *Latency) string {
	if l.Count == 0 {
		return none
	}
	return human(l.P50Nano) + "/" + human(l.MaxNano)
}

// syncs are the syncs of a consumer that does more than one for each file; nothing for
// others, whose rollovers say it.
func syncs(w *Writes) string {
	if !w.Phases.Sync.known() || w.Phases.Sync.Count <= w.Files {
		return ""
	}
	return typical(w.Phases.Sync)
}

func sizeUnlessZero(bytes uint64) string {
	if bytes == 0 {
		return ""
	}
	return size(bytes)
}
