package compare

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// knob is something that is configured of a consumer, in words.
type knob struct {
	name string
	of   func(*report.Consumer) string
}

// knobs returns all settings of a load that can differ between two runs.
func knobs() []knob {
	return []knob{
		{"chunk size", func(c *report.Consumer) string { return strings.TrimPrefix(words.ChunksOf(c), "chunks of ") }},
		{"file size", func(c *report.Consumer) string { return strings.TrimPrefix(words.FilesOf(c), "files of ") }},
		{"sync", func(c *report.Consumer) string { return words.SyncOf(c) }},
		{"O_DIRECT", func(c *report.Consumer) string { return yesNo(c.Direct) }},
		{"pattern", func(c *report.Consumer) string { return c.Pattern }},
		{"rate", func(c *report.Consumer) string { return unlessNothing(c.RateBytesPerSecond, human.Configured) }},
		{"rate of chunks",
			func(c *report.Consumer) string { return unlessNothing(c.RateChunksPerSecond, human.Decimal) }},
		{"writers of a consumer", func(c *report.Consumer) string { return fmt.Sprint(max(c.Concurrency, 1)) }},
		{"data", func(c *report.Consumer) string { return words.DataOf(&c.Data) }},
		{"preallocated", func(c *report.Consumer) string { return yesNo(c.Preallocate) }},
		{"verification", func(c *report.Consumer) string { return c.Verify }},
		{"start delay", func(c *report.Consumer) string { return human.Duration(c.StartDelayNano) }},
		{"think time", func(c *report.Consumer) string { return human.Duration(c.ThinkTimeNano) }},
		{"files kept", func(c *report.Consumer) string { return fmt.Sprint(c.KeepFiles) }},
		{"files written over", func(c *report.Consumer) string { return yesNo(c.Recycle) }},
		{"stops at an error", func(c *report.Consumer) string { return yesNo(c.StopOnError) }},
		{"space left free", func(c *report.Consumer) string { return unlessNothing(c.ReserveBytes, human.Configured) }},
		{"inodes left free", func(c *report.Consumer) string { return unlessNothing(c.ReserveInodes, human.Count) }},
		{"read beside the writing", func(c *report.Consumer) string { return human.OrDash(words.ReadsOf(c)) }},
		{"path", func(c *report.Consumer) string { return words.PathWritten(c.Path) }},
	}
}

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// unlessNothing prints x, or a dash for 0.
func unlessNothing[T uint64 | float64](x T, print func(T) string) string {
	if x == 0 {
		return human.None
	}
	return print(x)
}
