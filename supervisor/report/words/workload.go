package words

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// ConsumerLine returns what the consumer writes, in one line: what, how, and where.
func ConsumerLine(c *report.Consumer) string {
	if c.Path == "" {
		return ConsumerLoad(c)
	}
	return ConsumerLoad(c) + "; in " + PathWritten(c.Path)
}

// ConsumerLoad returns what the consumer writes, wherever that is. What is off is not said, nor
// what an older client does not say.
func ConsumerLoad(c *report.Consumer) string {
	writes := []string{FilesOf(c) + " in " + ChunksOf(c)}
	writes = append(writes, orderOf(c)...)
	parts := []string{strings.Join(writes, ", ")}
	for _, text := range []string{SyncOf(c), rateOf(c), DataOf(&c.Data), checksOf(c), endsOf(c), ReadsOf(c)} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

// FilesOf returns how large the files of a consumer are.
func FilesOf(c *report.Consumer) string {
	if c.MinFileSizeBytes > 0 && c.MinFileSizeBytes < c.FileSizeBytes {
		return "files of " + human.Configured(c.MinFileSizeBytes) + "…" + human.Configured(c.FileSizeBytes)
	}
	return "files of " + human.Configured(c.FileSizeBytes)
}

// ChunksOf returns how large the chunks of a consumer are.
func ChunksOf(c *report.Consumer) string {
	if len(c.ChunkSizes) == 0 {
		return "chunks of " + human.Configured(c.ChunkSizeBytes)
	}
	var all uint64
	for _, s := range c.ChunkSizes {
		all += uint64(s.Weight)
	}
	list := make([]string, 0, len(c.ChunkSizes))
	for _, s := range c.ChunkSizes {
		list = append(list, fmt.Sprintf("%s (%s %%)", human.Configured(s.SizeBytes),
			human.ThreeDigits(100*float64(s.Weight)/float64(max(all, 1)))))
	}
	return "chunks of " + strings.Join(list, ", ")
}

// orderOf returns in which order, and by how many writers, a file is written.
func orderOf(c *report.Consumer) []string {
	var list []string
	switch c.Pattern {
	case "random":
		list = append(list, "in random order")
	case "append":
		list = append(list, "appended")
	case "sequential":
		list = append(list, "sequential")
	}
	if c.Direct {
		list = append(list, "O_DIRECT")
	}
	if c.Preallocate {
		list = append(list, "preallocated")
	}
	if c.Concurrency > 1 {
		list = append(list, Plural(uint64(c.Concurrency), "writer"))
	}
	return list
}

// SyncOf returns when a consumer syncs.
func SyncOf(c *report.Consumer) string {
	switch c.Sync {
	case "none":
		return "no sync"
	case "file":
		return "fsync each file"
	case "chunk":
		return "fdatasync each chunk"
	case "bytes":
		return "fdatasync every " + human.Configured(c.SyncBytes)
	case "dsync":
		return "O_DSYNC"
	default:
		return ""
	}
}

// rateOf returns what holds a consumer back.
func rateOf(c *report.Consumer) string {
	var list []string
	if c.RateBytesPerSecond > 0 {
		list = append(list, "at most "+human.Configured(c.RateBytesPerSecond)+"/s")
	}
	if c.RateChunksPerSecond > 0 {
		list = append(list, "at most "+human.Decimal(c.RateChunksPerSecond)+" chunks/s")
	}
	if c.StartDelayNano > 0 {
		list = append(list, "begins after "+human.Duration(c.StartDelayNano))
	}
	if c.ThinkTimeNano > 0 {
		list = append(list, human.Duration(c.ThinkTimeNano)+" between chunks")
	}
	return strings.Join(list, ", ")
}

// DataOf returns what data a consumer writes.
func DataOf(d *report.DataSpec) string {
	text := ""
	switch d.Kind {
	case "random":
		text = "random data"
	case "zeros":
		text = "zeros"
	case "compressible", "dedupable":
		text = fmt.Sprintf("%d %% %s data", d.Percent, d.Kind)
	default:
		return ""
	}
	if d.Seed != 0 {
		text += fmt.Sprintf(" (seed %d)", d.Seed)
	}
	return text
}

// ReadsOf returns what a consumer reads beside the writing; "" if nothing.
func ReadsOf(c *report.Consumer) string {
	r := c.Read
	if r == nil {
		return ""
	}
	text := Plural(uint64(r.Readers), "reader") + " of " + human.Configured(r.SizeBytes)
	if r.Pattern == "random" {
		text += " at random"
	}
	if r.RateBytesPerSecond > 0 {
		text += ", at most " + human.Configured(r.RateBytesPerSecond) + "/s"
	}
	if r.RateOperationsPerSecond > 0 {
		text += ", at most " + human.Decimal(r.RateOperationsPerSecond) + " reads/s"
	}
	if r.Verify {
		text += ", verified"
	}
	switch r.Of {
	case "":
	case report.ReadOfNeighbour:
		text += ", of other clients' files"
	default:
		text += ", of " + r.Of
	}
	return text
}

// checksOf returns when what was written is read back.
func checksOf(c *report.Consumer) string {
	switch c.Verify {
	case report.VerifyAtRollover:
		return "verified at rollover"
	case report.VerifyAtEnd:
		return "verified at the end"
	case report.VerifyContinuous:
		return "verified continuously"
	case report.VerifyOff:
		return "not verified"
	default:
		return ""
	}
}

// endsOf returns what becomes of the files, and what ends the work.
func endsOf(c *report.Consumer) string {
	var list []string
	switch {
	case c.KeepFiles > 0 && c.Recycle:
		list = append(list, "keeps "+Plural(uint64(c.KeepFiles), "file")+" and writes over the oldest")
	case c.KeepFiles > 0:
		list = append(list, "keeps "+Plural(uint64(c.KeepFiles), "file"))
	}
	if c.StopOnError {
		list = append(list, "stops at its first error")
	}
	if c.ReserveBytes > 0 {
		list = append(list, "leaves "+human.Configured(c.ReserveBytes)+" free")
	}
	if c.ReserveInodes > 0 {
		list = append(list, "leaves "+Plural(c.ReserveInodes, "inode")+" free")
	}
	return strings.Join(list, ", ")
}

// Workload returns what the client was going to do, but for its consumers.
func Workload(w *report.Workload) string {
	if w.RuntimeNano == 0 && w.Declared() == 0 {
		return ""
	}
	parts := []string{Plural(w.Declared(), "consumer")}
	if w.RuntimeNano > 0 || len(w.Stages) == 0 {
		parts = append([]string{human.Duration(w.RuntimeNano)}, parts...)
	}
	if w.ConsumersLeftOut > 0 {
		parts = append(parts, human.Count(w.ConsumersLeftOut)+" of them left out here")
	}
	if w.RampNano > 0 {
		parts = append(parts, "beginning over "+human.Duration(w.RampNano))
	}
	if w.WarmupNano > 0 {
		parts = append(parts, "after a warm-up of "+human.Duration(w.WarmupNano))
	}
	if text := Schedule(w); text != "" {
		parts = append(parts, "stages "+text)
	}
	if w.TotalBytes > 0 {
		parts = append(parts, "until "+human.Configured(w.TotalBytes)+" are written")
	}
	if s := w.StopWhen; s != nil {
		parts = append(parts, "until the throughput "+SteadyOf(s))
	}
	if w.HeartbeatIntervalNano > 0 {
		parts = append(parts, "heartbeat every "+human.Duration(w.HeartbeatIntervalNano))
	}
	return strings.Join(parts, ", ")
}

// SteadyOf returns when the load is steady; a dash if it does not matter.
func SteadyOf(s *report.SteadyState) string {
	if s == nil {
		return human.None
	}
	return fmt.Sprintf("varies by %s %% or less over %s", human.Decimal(s.MaxVariationPercent),
		human.Duration(s.WindowNano))
}

// Alike is the consumers of a client that write the same: their numbers, and what they write.
type Alike struct{ Who, What string }

// ConsumerLines returns what the consumers of w write: one line for those that write the
// same, in order of the first of each.
func ConsumerLines(w *report.Workload) []Alike {
	indexes := make(map[string][]uint32)
	var order []string
	for i := range w.Consumers {
		c := &w.Consumers[i]
		if indexes[c.Text] == nil {
			order = append(order, c.Text)
		}
		indexes[c.Text] = append(indexes[c.Text], c.Index)
	}
	list := make([]Alike, 0, len(order))
	for _, text := range order {
		list = append(list, Alike{ranges(indexes[text]), text})
	}
	return list
}

// ranges lists numbers, neighbours as a range: "0…3, 7".
func ranges(list []uint32) string {
	var parts []string
	for i := 0; i < len(list); {
		k := i
		for k+1 < len(list) && list[k+1] == list[k]+1 {
			k++
		}
		text := fmt.Sprint(list[i])
		if k > i {
			text += "…" + fmt.Sprint(list[k])
		}
		parts = append(parts, text)
		i = k + 1
	}
	return strings.Join(parts, ", ")
}
