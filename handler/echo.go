package handler

import (
	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// echo leaves an Echo to the goroutine that sends, in place of one that it has not answered: a
// client that sends them faster than it reads costs nobody memory. The supervisor has no part in
// it: its clock is that of this machine.
func (c *collector) echo(e *bulkheadv1.Echo) {
	e.CameElapsedNano = boottime.Now()
	for {
		select {
		case c.echoes <- e:
			return
		default:
		}
		select {
		case <-c.echoes:
		default: // just answered
		}
	}
}

// answeredEcho returns the answer to an Echo, which is sent now.
func answeredEcho(e *bulkheadv1.Echo) *bulkheadv1.ServerFrame {
	return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Echo{Echo: &bulkheadv1.Echo{
		SentElapsedNano: e.GetSentElapsedNano(), CameElapsedNano: e.GetCameElapsedNano(),
		AnsweredElapsedNano: boottime.Now(),
	}}}
}
