package report

import (
	"fmt"
	"strconv"
	"strings"
)

// line says what the consumer writes, in one line: what, how, and where.
func (c *Consumer) line() string {
	if c.Path == "" {
		return c.load()
	}
	return c.load() + "; in " + pathWritten(c.Path)
}

// load says what the consumer writes, wherever that is. What is off is not said, nor
// what an older client does not say.
func (c *Consumer) load() string {
	writes := []string{c.fileWords() + " in " + c.chunkWords()}
	writes = append(writes, c.orderWords()...)
	parts := []string{strings.Join(writes, ", ")}
	for _, text := range []string{c.syncWords(), c.rateWords(), c.Data.words(), c.checkWords(), c.endWords()} {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

func (c *Consumer) fileWords() string {
	if c.MinFileSizeBytes > 0 && c.MinFileSizeBytes < c.FileSizeBytes {
		return "files of " + configured(c.MinFileSizeBytes) + "…" + configured(c.FileSizeBytes)
	}
	return "files of " + configured(c.FileSizeBytes)
}

func (c *Consumer) chunkWords() string {
	if len(c.ChunkSizes) == 0 {
		return "chunks of " + configured(c.ChunkSizeBytes)
	}
	var all uint64
	for _, s := range c.ChunkSizes {
		all += uint64(s.Weight)
	}
	list := make([]string, 0, len(c.ChunkSizes))
	for _, s := range c.ChunkSizes {
		list = append(list, fmt.Sprintf("%s (%s %%)", configured(s.SizeBytes), threeDigits(100*float64(s.Weight)/float64(max(all, 1)))))
	}
	return "chunks of " + strings.Join(list, ", ")
}

// orderWords say in which order and by how many a file is written.
func (c *Consumer) orderWords() []string {
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
		list = append(list, plural(uint64(c.Concurrency), "writer"))
	}
	return list
}

func (c *Consumer) syncWords() string {
	switch c.Sync {
	case "none":
		return "no sync"
	case "file":
		return "fsync each file"
	case "chunk":
		return "fdatasync each chunk"
	case "bytes":
		return "fdatasync every " + configured(c.SyncBytes)
	case "dsync":
		return "O_DSYNC"
	default:
		return ""
	}
}

// rateWords say what holds the consumer back.
func (c *Consumer) rateWords() string {
	var list []string
	if c.RateBytesPerSecond > 0 {
		list = append(list, "at most "+configured(c.RateBytesPerSecond)+"/s")
	}
	if c.RateChunksPerSecond > 0 {
		list = append(list, "at most "+decimal(c.RateChunksPerSecond)+" chunks/s")
	}
	if c.StartDelayNano > 0 {
		list = append(list, "begins after "+human(c.StartDelayNano))
	}
	if c.ThinkTimeNano > 0 {
		list = append(list, human(c.ThinkTimeNano)+" between chunks")
	}
	return strings.Join(list, ", ")
}

func (d *DataSpec) words() string {
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

// checkWords say when what was written is read back.
func (c *Consumer) checkWords() string {
	switch c.Verify {
	case "at-rollover":
		return "verified at rollover"
	case "at-end":
		return "verified at the end"
	case "continuous":
		return "verified continuously"
	case "off":
		return "not verified"
	default:
		return ""
	}
}

// endWords say what becomes of the files, and what ends the work.
func (c *Consumer) endWords() string {
	var list []string
	switch {
	case c.KeepFiles > 0 && c.Recycle:
		list = append(list, "keeps "+plural(uint64(c.KeepFiles), "file")+" and writes over the oldest")
	case c.KeepFiles > 0:
		list = append(list, "keeps "+plural(uint64(c.KeepFiles), "file"))
	}
	if c.StopOnError {
		list = append(list, "stops at its first error")
	}
	if c.ReserveBytes > 0 {
		list = append(list, "leaves "+configured(c.ReserveBytes)+" free")
	}
	if c.ReserveInodes > 0 {
		list = append(list, "leaves "+plural(c.ReserveInodes, "inode")+" free")
	}
	return strings.Join(list, ", ")
}

// workloadLine says what the client was going to do, but for its consumers.
func workloadLine(w *Workload) string {
	if w.RuntimeNano == 0 && len(w.Consumers) == 0 {
		return ""
	}
	parts := []string{human(w.RuntimeNano), plural(uint64(len(w.Consumers)), "consumer")}
	if w.RampNano > 0 {
		parts = append(parts, "beginning over "+human(w.RampNano))
	}
	if w.TotalBytes > 0 {
		parts = append(parts, "until "+configured(w.TotalBytes)+" are written")
	}
	if s := w.StopWhen; s != nil {
		parts = append(parts, "until the throughput "+s.words())
	}
	if w.HeartbeatIntervalNano > 0 {
		parts = append(parts, "heartbeat every "+human(w.HeartbeatIntervalNano))
	}
	return strings.Join(parts, ", ")
}

// words say when the load is steady; a dash if it does not matter.
func (s *SteadyState) words() string {
	if s == nil {
		return none
	}
	return fmt.Sprintf("varies by %s %% or less over %s", decimal(s.MaxVariationPercent), human(s.WindowNano))
}

// alike is consumers of a client that write the same.
type alike struct{ who, what string }

// consumerLines says what the consumers of w write: one line for those that write the
// same, in order of the first of each.
func (w *Workload) consumerLines() []alike {
	indexes := make(map[string][]uint32)
	var order []string
	for i := range w.Consumers {
		c := &w.Consumers[i]
		if indexes[c.Text] == nil {
			order = append(order, c.Text)
		}
		indexes[c.Text] = append(indexes[c.Text], c.Index)
	}
	list := make([]alike, 0, len(order))
	for _, text := range order {
		list = append(list, alike{ranges(indexes[text]), text})
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

// decimal returns x with as many decimals as it has, but no more than three digits of them.
func decimal(x float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(x, 'f', 3, 64), "0"), ".")
}

// configured returns a size as somebody would have written it: in the unit, decimal or
// binary, of which it is the smallest whole number; rounded if it is a whole number of none.
func configured(bytes uint64) string {
	best, unit := uint64(10_000), ""
	for _, u := range []struct {
		name  string
		bytes uint64
	}{{"B", 1}, {"kB", 1e3}, {"KiB", 1 << 10}, {"MB", 1e6}, {"MiB", 1 << 20}, {"GB", 1e9}, {"GiB", 1 << 30}, {"TB", 1e12}, {"TiB", 1 << 40}} {
		if n := bytes / u.bytes; bytes > 0 && bytes%u.bytes == 0 && n < best {
			best, unit = n, u.name
		}
	}
	if unit == "" {
		return size(bytes)
	}
	return fmt.Sprint(best) + " " + unit
}
