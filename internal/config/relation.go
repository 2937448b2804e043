package config

import (
	"fmt"

	"bulkhead/internal/config/value"
)

// operand is one side of a relation between two keys.
type operand struct {
	key   string
	value uint64
	text  string
}

func sizeOperand(key string, s value.Size) operand {
	return operand{key: key, value: uint64(s), text: s.String()}
}

// atMost reports low if it is more than high. Values that have a problem of their own already
// are not compared.
func (l *loader) atMost(low, high operand) {
	if low.value <= high.value || l.broken[low.key] || l.broken[high.key] {
		return
	}
	f := l.exceeds(low, high)
	l.report(f.at, f.key, f.problem+"; "+f.advice)
}

// needs reports a key that is set, of which another that it needs is not.
func (l *loader) needs(key, value, other, of string) {
	if value != "" && of == "" && !l.broken[other] {
		l.report(l.origins[key], key, "is nothing without "+other+"; set both")
	}
}

// either reports two keys that are set, of which only one may be, at the place that is easier to blame.
func (l *loader) either(key, value, other, of string) {
	if value == "" || of == "" {
		return
	}
	blame, with := other, key
	if l.later(key, other) {
		blame, with = key, other
	}
	l.report(l.origins[blame], blame, fmt.Sprintf("set %s or %s, not both; %s is set too (%s)", key, other, with,
		l.origins[with]))
}

// exceeds returns what is wrong with low, which is more than high, at the place that is easier to
// blame: high's if none is (see later).
func (l *loader) exceeds(low, high operand) finding {
	at, to := l.origins[low.key], l.origins[high.key]
	if l.later(low.key, high.key) {
		return finding{
			at: at, key: low.key, advice: "use at most " + high.text,
			problem: fmt.Sprintf("%s is more than %s, which is %s (%s)", low.text, high.key, high.text, to),
		}
	}
	return finding{
		at: to, key: high.key, advice: "use at least " + low.text,
		problem: fmt.Sprintf("%s is less than %s, which is %s (%s)", high.text, low.key, low.text, at),
	}
}

// later reports whether the value of key a is easier to blame than that of b: it comes
// from a stronger source, or stands further down in the file.
func (l *loader) later(a, b string) bool {
	at, to := l.origins[a], l.origins[b]
	return at.source > to.source || (at.source == to.source && at.line > to.line)
}
