package client

import (
	"fmt"
	"strings"
	"time"
)

// awaitSay is how often is said who is waited for at the end.
const awaitSay = 3 * time.Second

// sayWhoIsAwaited logs who has not ended yet, and where they write, until stop is called.
// They may take killed to end their files; then they are killed.
func (l *load) sayWhoIsAwaited(killed time.Duration) (stop func()) {
	over, said := make(chan struct{}), make(chan struct{})
	go func() { // ended by stop
		defer close(said)
		began, again := time.Now(), time.NewTicker(awaitSay)
		defer again.Stop()
		for {
			select {
			case <-again.C:
			case <-over:
				return
			}
			waited := time.Since(began)
			for _, line := range l.awaited(waited >= killed) {
				l.cfg.Logger.Warn(fmt.Sprintf("waiting for %s; %s", line, waited.Round(time.Second)))
			}
		}
	}()
	return func() {
		close(over)
		<-said
	}
}

// awaited returns a line for each path on which consumers have not ended.
func (l *load) awaited(killed bool) []string {
	var order []string
	names := make(map[string][]string) // by path
	for i, one := range l.workers.consumers {
		if one.child == nil {
			continue
		}
		awaited := one.ended // its files are closed then
		if killed {
			awaited = nil
		}
		select {
		case <-awaited:
			continue
		case <-one.child.Done():
			continue
		default:
		}
		if names[one.path] == nil {
			order = append(order, one.path)
		}
		names[one.path] = append(names[one.path], fmt.Sprint(i))
	}
	var lines []string
	for _, path := range order {
		who, whose := "consumer "+names[path][0], "its"
		if n := len(names[path]); n > 1 {
			who, whose = fmt.Sprintf("%d consumers (%s)", n, strings.Join(names[path], ", ")), "their"
		}
		if killed {
			lines = append(lines,
				fmt.Sprintf("the system to end %s, killed in a system call on %s that does not return", who, path))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s to close %s files on %s", who, whose, path))
	}
	return lines
}
