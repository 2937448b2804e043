package config

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"bulkhead/internal/workload"
)

// finding is what is wrong with a combination of two keys.
type finding struct {
	at                   origin
	key, problem, advice string
}

// checkLoad reports what cannot be together in the whole client.
func (c *Client) checkLoad(l *loader) {
	for _, problem := range c.Load().Check() {
		if problem.Key == steadyWindow && l.broken["progress.interval"] {
			continue // that may be what is wrong with it
		}
		if f, ok := l.combined(problem, problem.Key, problem.Other); ok {
			l.report(f.at, f.key, f.problem+"; "+f.advice)
		}
	}
}

// steadyWindow is the key without which there is no steady throughput.
const steadyWindow = "stop_when.steady.window"

// checkVariation reports a variation that nothing is measured by. A window that was set to 0s was
// switched off on purpose.
func (c *Client) checkVariation(l *loader) {
	const variation = "stop_when.steady.variation"
	if c.StopWhen.Window > 0 || l.broken[steadyWindow] || l.broken["progress.interval"] || l.broken[variation] {
		return
	}
	if at := l.origins[variation]; at.source != fromDefault && l.origins[steadyWindow].source == fromDefault {
		l.report(at, variation, "says nothing without "+steadyWindow+"; set that, too, as in 30s")
	}
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
		for _, problem := range c.Load().CheckConsumer(consumer.Workload()) {
			p.note(problem)
		}
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

// pairs notes what is wrong with pairs of keys of one consumer. Each value alone was looked at when
// it was read.
type pairs struct {
	*loader
	consumer int
	found    []finding
}

// key names a consumer's value by its own key if it has one, else by the key it gets
// the value from.
func (p *pairs) key(name string) string {
	own := fmt.Sprintf("consumers[%d].%s", p.consumer, name)
	if name != "runtime" && (p.origins[own].source != fromDefault || p.broken[own]) { // that is the client's
		return own
	}
	return name
}

// note notes a problem of two keys, unless one of them has a problem of its own.
func (p *pairs) note(problem workload.Problem) {
	if f, ok := p.combined(problem, p.key(problem.Key), p.key(problem.Other)); ok {
		p.found = append(p.found, f)
	}
}

// combined returns what is wrong with keys a and b, which have the values of problem; false if that
// is one value alone, or one of the keys has a problem of its own. The key that is easier to blame
// gets the blame (see later), unless the problem can be said of a alone.
func (l *loader) combined(problem workload.Problem, a, b string) (finding, bool) {
	aText, bText := problem.Value, problem.OtherValue
	switch {
	case problem.Other == "" || l.broken[a] || l.broken[b]:
		return finding{}, false
	case problem.Exceeds:
		return l.exceeds(operand{key: a, text: aText}, operand{key: b, text: bText}), true
	case problem.Relation == "" && l.later(b, a):
		a, aText, b, bText = b, bText, a, aText
	}
	return finding{
		at: l.origins[a], key: a, advice: problem.Advice,
		problem: fmt.Sprintf("%s %s %s, which is %s (%s)", aText, cmp.Or(problem.Relation, "does not go with"), b,
			bText, l.origins[b]),
	}, true
}
