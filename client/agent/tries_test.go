package agent

import (
	"testing"
	"time"
)

// A supervisor that welcomes and drops at once, or asks to come again at once, over and over, makes an
// agent come more and more rarely; one good connection, and it comes soon again.
func TestASupervisorThatDropsIsComeBackToRarely(t *testing.T) {
	for _, tt := range []struct {
		name     string
		welcomed bool
		after    time.Duration
		first    time.Duration
	}{
		{"welcomes and drops", true, 0, 200 * time.Millisecond},
		{"welcomes, and asks for a nanosecond", true, 1, leastWait},
		{"asks for a nanosecond", false, 1, leastWait},
		{"asks for a year", true, 365 * 24 * time.Hour, mostWait},
	} {
		var now tries
		if wait := now.next(tt.welcomed, 0, tt.after, false, false, 0); wait != tt.first {
			t.Errorf("%s: the first wait is %v; want %v", tt.name, wait, tt.first)
		}
		var wait time.Duration
		for range 30 {
			wait = now.next(tt.welcomed, 0, tt.after, false, false, 0)
		}
		if wait < 5*time.Second || wait > mostWait || !now.many() {
			t.Errorf("%s: after 31 times the wait is %v, many %v", tt.name, wait, now.many())
		}
		if wait := now.next(true, steadyAfter, 0, false, false, 0); wait != 200*time.Millisecond || now.many() {
			t.Errorf("%s: after a good connection the wait is %v", tt.name, wait)
		}
	}
}
