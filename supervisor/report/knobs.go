package report

import (
	"fmt"
	"strings"
)

// knob is something that is configured of a consumer, in words.
type knob struct {
	name string
	of   func(*Consumer) string
}

// knobs are all of them.
func knobs() []knob {
	return []knob{
		{"chunk size", func(c *Consumer) string { return strings.TrimPrefix(c.chunkWords(), "chunks of ") }},
		{"file size", func(c *Consumer) string { return strings.TrimPrefix(c.fileWords(), "files of ") }},
		{"sync", (*Consumer).syncWords},
		{"O_DIRECT", func(c *Consumer) string { return yesNo(c.Direct) }},
		{"pattern", func(c *Consumer) string { return c.Pattern }},
		{"rate", func(c *Consumer) string { return unlessNothing(c.RateBytesPerSecond, configured) }},
		{"rate of chunks", func(c *Consumer) string { return unlessNothing(c.RateChunksPerSecond, decimal) }},
		{"writers of a consumer", func(c *Consumer) string { return fmt.Sprint(max(c.Concurrency, 1)) }},
		{"data", func(c *Consumer) string { return c.Data.words() }},
		{"preallocated", func(c *Consumer) string { return yesNo(c.Preallocate) }},
		{"verification", func(c *Consumer) string { return c.Verify }},
		{"start delay", func(c *Consumer) string { return human(c.StartDelayNano) }},
		{"think time", func(c *Consumer) string { return human(c.ThinkTimeNano) }},
		{"files kept", func(c *Consumer) string { return fmt.Sprint(c.KeepFiles) }},
		{"files written over", func(c *Consumer) string { return yesNo(c.Recycle) }},
		{"stops at an error", func(c *Consumer) string { return yesNo(c.StopOnError) }},
		{"space left free", func(c *Consumer) string { return unlessNothing(c.ReserveBytes, configured) }},
		{"inodes left free", func(c *Consumer) string { return unlessNothing(c.ReserveInodes, count) }},
		{"path", func(c *Consumer) string { return pathWritten(c.Path) }},
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
		return none
	}
	return print(x)
}
