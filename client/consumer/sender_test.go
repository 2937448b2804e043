package consumer

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// timedStream notes when messages are sent.
type timedStream struct {
	heldStream
	at []time.Time
}

func (s *timedStream) Send(response *bulkheadv1.RunResponse) error {
	s.at = append(s.at, time.Now())
	return s.heldStream.Send(response)
}

// TestMessagesLeaveInBursts has a file every 3 ms, and looks at when it is told of.
func TestMessagesLeaveInBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(33 * time.Millisecond) // to begin amid a quarter of a second
		began := time.Now()
		c := newConsumer(Options{}, newScriptedDisk(slow(nil)))
		stream := &timedStream{heldStream: heldStream{ctx: t.Context()}}
		ended := make(chan error, 1)
		go func() {
			var s grpc.ServerStreamingServer[bulkheadv1.RunResponse] = stream
			ended <- c.Run(request("/", 1000, 2500, func(task *bulkheadv1.ConsumerTask) { task.ProgressIntervalNano = int64(time.Second) }), s)
		}()
		time.Sleep(time.Second)
		kill(t, c, 0)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if stream.at[0] != began {
			t.Errorf("the first message leaves %v after the start", stream.at[0].Sub(began))
		}
		bursts := make(map[time.Time]bool)
		for i, at := range stream.at[1:] {
			bursts[at] = true
			if last := at == stream.at[len(stream.at)-1]; at != at.Truncate(sendEvery) && !last {
				t.Errorf("message %d of %d leaves %v after a quarter of a second", i+1, len(stream.at), at.Sub(at.Truncate(sendEvery)))
			}
		}
		if len(bursts) > 6 || len(stream.at) < 300 {
			t.Errorf("%d messages leave in %d bursts", len(stream.at), len(bursts))
		}
		if end := stream.at[len(stream.at)-1]; end.Sub(began) > time.Second+10*time.Millisecond {
			t.Errorf("the last message leaves %v after the start, a second after which it all ended", end.Sub(began))
		}
	})
}
