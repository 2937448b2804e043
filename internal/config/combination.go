package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// finding is what is wrong with a combination of two keys.
type finding struct {
	at                   origin
	key, problem, advice string
}

// checkConsumers reports what cannot be together in one consumer. Consumers that have
// both values from the same keys share one line.
func (c *Client) checkConsumers(l *loader) {
	if l.broken["consumer_count"] {
		return
	}
	var found []finding
	whose := make(map[finding][]string)
	for i, consumer := range c.Consumers() {
		p := pairs{loader: l, consumer: i}
		p.check(consumer, c)
		for _, f := range p.found {
			if whose[f] == nil {
				found = append(found, f)
			}
			whose[f] = append(whose[f], strconv.Itoa(i))
		}
	}
	for _, f := range found {
		l.report(f.at, f.key, fmt.Sprintf("%s, for %s; %s", f.problem, listConsumers(whose[f]), f.advice))
	}
}

// listConsumers names consumers, not too many.
func listConsumers(indices []string) string {
	const shown = 8
	switch {
	case len(indices) > shown:
		return fmt.Sprintf("consumers %s … and %d more", strings.Join(indices[:shown], ", "), len(indices)-shown)
	case len(indices) > 1:
		return "consumers " + strings.Join(indices, ", ")
	default:
		return "consumer " + indices[0]
	}
}

// pairs looks at pairs of keys of one consumer.
type pairs struct {
	*loader
	consumer int
	found    []finding
}

// check looks at every pair that can be impossible.
func (p *pairs) check(c Consumer, all *Client) {
	chunk := p.key("chunk_size")
	p.atMost(sizeOperand(chunk, c.ChunkSize.Largest()), sizeOperand(p.key("file_size"), c.FileSize.Max))
	p.atMost(durationOperand(p.key("start_delay"), c.StartDelay), durationOperand("runtime", all.Runtime))

	several := len(c.ChunkSize) > 1
	p.clash(c.Pattern == PatternRandom && several, p.key("pattern"), string(c.Pattern), chunk, c.ChunkSize.String(),
		"use one chunk size, or another pattern")
	p.clash(c.Recycle && c.Pattern == PatternAppend, p.key("recycle"), "true", p.key("pattern"), string(c.Pattern),
		"what is appended writes over nothing: use another pattern, or recycle: false")
	p.clash(c.Recycle && c.KeepFiles == 0, p.key("recycle"), "true", p.key("keep_files"), "0",
		"files that are all kept are never written over: set keep_files, or recycle: false")
	for _, one := range c.ChunkSize {
		p.clash(c.Direct && one.Size%leastDirectUnit != 0, p.key("direct"), "true", chunk, c.ChunkSize.String(),
			fmt.Sprintf("O_DIRECT writes multiples of %s, and %s is none", leastDirectUnit, one.Size))
	}
	p.checkThinking(c)
	memory := Size(c.Concurrency) * c.ChunkSize.Largest()
	p.clash(memory > maxChunkMemory, p.key("concurrency"), strconv.Itoa(c.Concurrency), chunk, c.ChunkSize.String(),
		fmt.Sprintf("the chunks of all writers together take %s of memory, and may take %s", memory, maxChunkMemory))
}

// checkThinking looks for a think time that keeps the writers from their rate: chunks would
// be due and not be written although nothing but the think time is in the way, and the
// response times would say how long the load has lasted.
func (p *pairs) checkThinking(c Consumer) {
	if c.ThinkTime <= 0 {
		return
	}
	most := float64(c.Concurrency) / c.ThinkTime.Seconds() // chunks in a second
	rate, text, asked := "rate.chunks", formatAmount(c.Rate.Chunks), c.Rate.Chunks
	if chunks := float64(c.Rate.Bytes) / c.ChunkSize.mean(); c.Rate.Bytes > 0 && (asked == 0 || chunks < asked) {
		rate, text, asked = "rate.bytes", c.Rate.Bytes.String(), chunks // the slower one holds
	}
	p.clash(asked > most, p.key("think_time"), formatDuration(c.ThinkTime), p.key(rate), text,
		fmt.Sprintf("with a concurrency of %d and that time between two chunks, at most %s are written in a second: lower the rate or think_time, or raise concurrency",
			c.Concurrency, formatAmount(math.Trunc(most*1000)/1000)))
}

// key names a consumer's value by its own key if it has one, else by the key it gets
// the value from.
func (p *pairs) key(name string) string {
	own := fmt.Sprintf("consumers[%d].%s", p.consumer, name)
	if p.origins[own].source != fromDefault || p.broken[own] {
		return own
	}
	return name
}

// atMost is loader.atMost for this consumer.
func (p *pairs) atMost(low, high operand) {
	if f, wrong := p.compare(low, high); wrong {
		p.found = append(p.found, f)
	}
}

// clash notes two values that do not go together, if they do not and neither has a
// problem of its own, at the place that is easier to blame (see later).
func (p *pairs) clash(wrong bool, a, aText, b, bText, advice string) {
	if !wrong || p.broken[a] || p.broken[b] {
		return
	}
	if p.later(b, a) {
		a, aText, b, bText = b, bText, a, aText
	}
	f := finding{
		at: p.origins[a], key: a, advice: advice,
		problem: fmt.Sprintf("%s does not go with %s, which is %s (%s)", aText, b, bText, p.origins[b]),
	}
	for _, known := range p.found {
		if known.key == f.key && known.problem == f.problem {
			return // said already, of another size
		}
	}
	p.found = append(p.found, f)
}
