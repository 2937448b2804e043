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

// atMost reports low if it is more than high, at the place that is easier to
// blame: the one from the stronger source, high's if they are equal and it is
// the later line. Who names what the two values are for; it may be empty.
// Values that have a problem of their own already are not compared.
func (l *loader) atMost(low, high operand, who string) {
	if low.value <= high.value || l.broken[low.key] || l.broken[high.key] {
		return
	}
	if who != "" {
		who = ", for " + who
	}
	at, to := l.origins[low.key], l.origins[high.key]
	if at.source > to.source || (at.source == to.source && at.line > to.line) {
		l.report(at, low.key, fmt.Sprintf("%s is more than %s, which is %s (%s)%s; use at most %s",
			low.text, high.key, high.text, to, who, high.text))
		return
	}
	l.report(to, high.key, fmt.Sprintf("%s is less than %s, which is %s (%s)%s; use at least %s",
		high.text, low.key, low.text, at, who, low.text))
}
