package config

import (
	"fmt"
	"time"
)

// operand is one side of a relation between two keys.
type operand struct {
	key   string
	value uint64
	text  string
}

func sizeOperand(key string, s Size) operand {
	return operand{key: key, value: uint64(s), text: s.String()}
}

// durationOperand takes a duration that is not negative.
func durationOperand(key string, d time.Duration) operand {
	return operand{key: key, value: uint64(d), text: formatDuration(d)}
}

// atMost reports low if it is more than high.
func (l *loader) atMost(low, high operand) {
	if f, wrong := l.compare(low, high); wrong {
		l.report(f.at, f.key, f.problem+"; "+f.advice)
	}
}

// compare reports whether low is more than high, and finds the place that is easier to
// blame: high's if none is (see later). Values that have a problem of their own already
// are not compared.
func (l *loader) compare(low, high operand) (f finding, wrong bool) {
	if low.value <= high.value || l.broken[low.key] || l.broken[high.key] {
		return finding{}, false
	}
	at, to := l.origins[low.key], l.origins[high.key]
	if l.later(low.key, high.key) {
		return finding{
			at: at, key: low.key, advice: "use at most " + high.text,
			problem: fmt.Sprintf("%s is more than %s, which is %s (%s)", low.text, high.key, high.text, to),
		}, true
	}
	return finding{
		at: to, key: high.key, advice: "use at least " + low.text,
		problem: fmt.Sprintf("%s is less than %s, which is %s (%s)", high.text, low.key, low.text, at),
	}, true
}

// later reports whether the value of key a is easier to blame than that of b: it comes
// from a stronger source, or stands further down in the file.
func (l *loader) later(a, b string) bool {
	at, to := l.origins[a], l.origins[b]
	return at.source > to.source || (at.source == to.source && at.line > to.line)
}
