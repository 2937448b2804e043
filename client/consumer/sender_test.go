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

// TestMessagesLeaveInBursts finishes a file every 3 ms, and looks at when it is reported.
func TestMessagesLeaveInBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(33 * time.Millisecond) // to begin amid a quarter of a second
		began := time.Now()
		c := newConsumer(Options{}, newScriptedDisk(slow(nil)))
		stream := &timedStream{heldStream: heldStream{ctx: t.Context()}}
		ended := make(chan error, 1)
		go func() {
			var s grpc.ServerStreamingServer[bulkheadv1.RunResponse] = stream
			ended <- c.Run(request("/", 1000, 2500,
				func(task *bulkheadv1.ConsumerTask) { task.ProgressIntervalNano = int64(time.Second) }), s)
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
				t.Errorf("message %d of %d leaves %v after a quarter of a second", i+1, len(stream.at),
					at.Sub(at.Truncate(sendEvery)))
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

// TestManyFilesDoNotWaitForTheirMessages finishes fifty thousand files in a second, more than
// there are places for in a quarter of one.
func TestManyFilesDoNotWaitForTheirMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, files = 20 * time.Microsecond, 50_000
		d := newScriptedDisk(func(c call) (int, error) {
			if c.op == "write" {
				time.Sleep(each)
			}
			return c.size, nil
		})
		c := newConsumer(Options{}, d)
		ended := make(chan error, 1)
		go func() {
			ended <- c.Run(request("/", 1000, 1000,
				func(task *bulkheadv1.ConsumerTask) { task.ProgressIntervalNano = int64(time.Second) }),
				&heldStream{ctx: t.Context()})
		}()
		time.Sleep(files * each)
		kill(t, c, 0)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if n := len(d.of("write")); n < files {
			t.Errorf("%d files in the time of %d", n, files)
		}
	})
}

// TestShortIntervalsAreNotGathered wants each Progress of 20 ms to leave as it is made.
func TestShortIntervalsAreNotGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 20 * time.Millisecond
		c := newConsumer(Options{}, newScriptedDisk(slow(nil)))
		stream := &timedStream{heldStream: heldStream{ctx: t.Context()}}
		ended := make(chan error, 1)
		go func() {
			ended <- c.Run(request("/", 1000, 1000_000_000,
				func(task *bulkheadv1.ConsumerTask) { task.ProgressIntervalNano = int64(interval) }), stream)
		}()
		time.Sleep(time.Second)
		kill(t, c, 0)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		for i, at := range stream.at {
			if late := at.Sub(time.Unix(0, stream.messages[i].GetTimeUnixNano())); late > interval {
				t.Errorf("message %d of %d leaves %v after it was made", i+1, len(stream.at), late)
			}
		}
		if len(stream.at) < 50 {
			t.Errorf("%d messages in a second of intervals of %v", len(stream.at), interval)
		}
	})
}
