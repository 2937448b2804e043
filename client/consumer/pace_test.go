package consumer

import (
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestRates plays 10 s of loads whose writes take 1 ms: the rate is kept, unless the
// writers cannot.
func TestRates(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(*bulkheadv1.ConsumerSpec)
		chunks  uint64
		bytes   uint64 // 0: not looked at
		longest time.Duration
	}{
		{"chunks", func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond = 100 }, 1000, 0, time.Millisecond},
		{"fraction", func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond = 0.3 }, 3, 0, time.Millisecond},
		{"bytes", func(s *bulkheadv1.ConsumerSpec) { s.RateBytesPerSecond = 25_000 }, 300, 250_000, time.Millisecond},
		{"chunks, then bytes", func(s *bulkheadv1.ConsumerSpec) {
			s.RateChunksPerSecond, s.RateBytesPerSecond = 20,
				1<<40
		}, 200, 0, time.Millisecond},
		{"bytes, then chunks", func(s *bulkheadv1.ConsumerSpec) {
			s.RateChunksPerSecond, s.RateBytesPerSecond = 1e6,
				25_000
		}, 300, 250_000, time.Millisecond},
		{"four writers", func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond, s.Concurrency = 100, 4 }, 1000, 0,
			time.Millisecond},
		{"more than one writer can", func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond = 2000 }, 10_000, 0,
			5 * time.Second},
		{"only four writers can", func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond, s.Concurrency = 3000, 4 },
			30_000, 0, time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				messages := play(t, newScriptedDisk(slow(nil)), 10*time.Second-time.Microsecond, 0,
					func(task *bulkheadv1.ConsumerTask) { c.edit(task.Spec) })
				total := sum(messages)
				if d := int64(total.GetChunks() - c.chunks); d < -5 || d > 5 {
					t.Errorf("%d chunks in 10 s, want %d", total.GetChunks(), c.chunks)
				}
				if d := int64(total.GetBytes() - c.bytes); c.bytes > 0 && (d < -2500 || d > 2500) {
					t.Errorf("%d bytes in 10 s, want %d", total.GetBytes(), c.bytes)
				}
				response := merged(t, messages, (*bulkheadv1.Progress).GetResponse)
				due := total.GetChunks()
				if c.longest > time.Second { // half of them were not written
					due = 20_000
				}
				if d := int64(response.Count() - due); d < -1 || d > 1 ||
					response.Min() < time.Millisecond && due == total.GetChunks() {
					t.Errorf("%d response times from %v of %d chunks, want %d", response.Count(), response.Min(),
						total.GetChunks(), due)
				}
				if longest := response.Max(); longest > c.longest+time.Millisecond ||
					longest < c.longest-time.Millisecond {
					t.Errorf("the longest response time is %v, want about %v", longest, c.longest)
				}
			})
		})
	}
}

// merged returns the sum of one histogram of all Progress messages.
func merged(t *testing.T, messages []*bulkheadv1.Message,
	of func(*bulkheadv1.Progress) *bulkheadv1.Histogram) *latency.Histogram {
	t.Helper()
	total := new(latency.Histogram)
	for _, p := range progresses(messages) {
		h, err := latency.FromProto(of(p))
		if err != nil {
			t.Fatal(err)
		}
		total.Merge(h)
	}
	return total
}

// TestStallShowsInResponse lets one write of a load of 100 chunks a second take 1 s:
// the 100 chunks that were due meanwhile are written afterwards, and their response
// times fall from 1 s; the write times know of one long write only.
func TestStallShowsInResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes := 0
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "write" {
				if writes++; writes == 200 {
					time.Sleep(time.Second)
				}
			}
			return 0, nil
		}))
		messages := play(t, d, 10*time.Second-time.Microsecond, 0,
			func(task *bulkheadv1.ConsumerTask) { task.Spec.RateChunksPerSecond = 100 })
		if chunks := sum(messages).GetChunks(); chunks < 999 || chunks > 1001 {
			t.Errorf("%d chunks in 10 s, want 1000: those of the stall are made up for", chunks)
		}
		response := merged(t, messages, (*bulkheadv1.Progress).GetResponse)
		service := merged(t, messages, (*bulkheadv1.Progress).GetChunkWrite)
		// 1 ms of work for each 10 ms of schedule: it is made up for after 1 s / 9.
		late := func(h *latency.Histogram) (n uint64) {
			var value uint64
			p := h.Proto()
			for i, delta := range p.GetValueDelta() {
				if value += delta; value > uint64(5*time.Millisecond) {
					n += p.GetCount()[i]
				}
			}
			return n
		}
		if n := late(response); n < 105 || n > 115 {
			t.Errorf("%d response times above 5 ms, want about 111", n)
		}
		if n := late(service); n != 1 {
			t.Errorf("%d write times above 5 ms, want 1", n)
		}
	})
}

// TestFailuresAreNotMadeUpFor fails all writes for 5 of 10 s.
func TestFailuresAreNotMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if at := time.Since(began); c.op == "write" && at > 2*time.Second && at < 7*time.Second {
				return -1, nil
			}
			return 0, nil
		}))
		messages := play(t, d, 10*time.Second, 0,
			func(task *bulkheadv1.ConsumerTask) { task.Spec.RateChunksPerSecond = 100 })
		if chunks := sum(messages).GetChunks(); chunks > 500 {
			t.Errorf("%d chunks in 5 s of 10, want at most 500", chunks)
		}
	})
}

// TestAStallAtTheEndShowsInResponse stalls the storage for the last 3 of 10 s. What was due in that
// time was never written, and has waited all the same.
func TestAStallAtTheEndShowsInResponse(t *testing.T) {
	for _, writers := range []uint32{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			d := newScriptedDisk(slow(func(c call) (int, error) {
				if at := time.Since(began); c.op == "write" && at > 7*time.Second {
					time.Sleep(10*time.Second - at)
				}
				return 0, nil
			}))
			messages := play(t, d, 10*time.Second-time.Microsecond, 0, func(task *bulkheadv1.ConsumerTask) {
				task.Spec.RateChunksPerSecond, task.Spec.Concurrency = 100, writers
				task.Spec.ChunkSizes = weights(1000, 1, 500, 1)
			})
			response := merged(t, messages, (*bulkheadv1.Progress).GetResponse)
			if n := response.Count(); n < 999 || n > 1001 {
				t.Errorf("%d writers: %d response times, want those of 1000 chunks that were due", writers, n)
			}
			if late := response.Quantile(0.85); late < 1400*time.Millisecond || late > 1600*time.Millisecond {
				t.Errorf("%d writers: the response time of 85 %% is %v, want half of the stall", writers, late)
			}
		})
	}
}

// TestAFailureDoesNotForgiveAStall stalls the storage for 4 s, at the end of which one of two
// writers is told an error: what was due meanwhile is written late, and is said to be.
func TestAFailureDoesNotForgiveAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var failed atomic.Bool
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if at := time.Since(began); c.op == "write" && at > 2*time.Second && at < 6*time.Second {
				time.Sleep(6*time.Second - at)
				if !failed.Swap(true) {
					return 0, syscall.EIO
				}
			}
			return 0, nil
		}))
		messages := play(t, d, 10*time.Second-time.Microsecond, 0, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.RateChunksPerSecond, task.Spec.Concurrency = 100, 2
		})
		if chunks := sum(messages).GetChunks(); chunks < 985 {
			t.Errorf("%d chunks in 10 s, want about 990: those of the stall are made up for, those of the pause of "+
				"one writer are not", chunks)
		}
		if longest := merged(t, messages, (*bulkheadv1.Progress).GetResponse).Quantile(0.9); longest < 3*time.Second {
			t.Errorf("the response time of 90 %% is %v, want more than 3 s", longest)
		}
	})
}

func TestWithoutARateThereIsNoResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		messages := play(t, newScriptedDisk(slow(nil)), time.Second, 0, nil)
		if n := merged(t, messages, (*bulkheadv1.Progress).GetResponse).Count(); n != 0 {
			t.Errorf("%d response times", n)
		}
	})
}

// TestEndDuringAWait kills a writer that waits: for its next chunk, or for its first.
func TestEndDuringAWait(t *testing.T) {
	for name, edit := range map[string]func(*bulkheadv1.ConsumerSpec){
		"rate":        func(s *bulkheadv1.ConsumerSpec) { s.RateChunksPerSecond = 0.001 },
		"think time":  func(s *bulkheadv1.ConsumerSpec) { s.ThinkTimeNano = int64(time.Hour) },
		"start delay": func(s *bulkheadv1.ConsumerSpec) { s.StartDelayNano = int64(time.Hour) },
	} {
		for grace, want := range map[time.Duration]time.Duration{0: time.Minute,
			time.Second: time.Minute + time.Second} {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				messages := play(t, newScriptedDisk(slow(nil)), time.Minute, grace,
					func(task *bulkheadv1.ConsumerTask) { edit(task.Spec) })
				if name == "start delay" {
					want = time.Minute // nothing is in progress
				}
				if took := time.Since(began); took != want {
					t.Errorf("%s, grace %v: ended after %v, want %v", name, grace, took, want)
				}
				files := rollovers(messages)
				if name == "start delay" && len(files) != 0 ||
					name != "start delay" && (len(files) != 1 || files[0].GetChunks() != 1) {
					t.Errorf("%s: %v", name, files)
				}
			})
		}
	}
}

// TestDelays looks at when chunks are written.
func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(nil))
		c := newConsumer(Options{}, d)
		stream := &heldStream{ctx: t.Context()}
		began := time.Now()
		ended := make(chan error, 1)
		go func() {
			ended <- c.Run(request("/", 1000, 2500, func(task *bulkheadv1.ConsumerTask) {
				task.Spec.StartDelayNano = int64(3 * time.Second)
				task.Spec.ThinkTimeNano = int64(20 * time.Millisecond)
			}), stream)
		}()
		time.Sleep(2 * time.Second)
		if answer, err := c.Heartbeat(t.Context(), nil); err != nil ||
			answer.GetState() != bulkheadv1.WorkerState_WORKER_STATE_IDLE {
			t.Errorf("before the first file: %v, %v; want idle", answer, err)
		}
		time.Sleep(2 * time.Second)
		if answer, err := c.Heartbeat(t.Context(), nil); err != nil ||
			answer.GetState() != bulkheadv1.WorkerState_WORKER_STATE_WORKING {
			t.Errorf("in a think time: %v, %v; want working", answer, err)
		}
		kill(t, c, 0)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		for i, w := range d.of("write") {
			if at, want := w.at.Sub(began), 3*time.Second+time.Duration(i)*21*time.Millisecond; at != want {
				t.Fatalf("chunk %d is written at %v, want %v", i, at, want)
			}
		}
		if n := len(d.of("write")); n < 45 {
			t.Errorf("%d chunks in a second", n)
		}
	})
}

// TestAWarmUpEndsAnInterval runs a load that begins late, in its warm-up: what is done in that is told
// apart, to the moment.
func TestAWarmUpEndsAnInterval(t *testing.T) {
	for _, warmup := range []time.Duration{0, time.Second, 4200 * time.Millisecond, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			messages := play(t, newScriptedDisk(slow(nil)), 10*time.Second, 0, func(task *bulkheadv1.ConsumerTask) {
				task.Spec.StartDelayNano = int64(3 * time.Second)
				task.ProgressIntervalNano = int64(1500 * time.Millisecond)
				task.WarmupNano = int64(warmup)
			})
			var warm, judged time.Duration
			for _, m := range messages {
				switch p := m.GetProgress(); {
				case p.GetWarmup() && judged > 0:
					t.Errorf("warm-up %v: it comes after %v that are not of it", warmup, judged)
				case p.GetWarmup():
					warm += time.Duration(p.GetIntervalNano())
				case p != nil:
					judged += time.Duration(p.GetIntervalNano())
				}
			}
			want := min(max(warmup-3*time.Second, 0), 7*time.Second)
			if over := warm - want; over < 0 || over > time.Millisecond || over > 0 && judged > 0 { // the last chunk
				t.Errorf("warm-up %v: %v are of it, want %v; %v are not", warmup, warm, want, judged)
			}
			if rest := judged - (7*time.Second - want); rest < 0 || rest > time.Millisecond {
				t.Errorf("warm-up %v: %v are not of it", warmup, judged)
			}
		})
	}
}

// TestIntervalsAreTheTimeOfWriting runs a load that begins late, and whose files take long to be
// removed at its end.
func TestIntervalsAreTheTimeOfWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "remove" {
				time.Sleep(5 * time.Second)
			}
			return 0, nil
		}))
		began := time.Now()
		messages := play(t, d, 10*time.Second, 0, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.FileSizeBytes, task.Spec.KeepFiles = 2_000_000, 0
			task.Spec.StartDelayNano = int64(3 * time.Second)
			task.ProgressIntervalNano = int64(1500 * time.Millisecond)
		})
		if took := time.Since(began); took < 20*time.Second {
			t.Fatalf("it took %v: the files at the end do not take long to be removed", took)
		}
		total := sum(messages)
		// A chunk may begin in the very moment in which the load ends.
		last := time.Duration(total.GetIntervalNano()) - 7*time.Second
		if last != 0 && last != time.Millisecond || total.GetChunks() < 6990 {
			t.Errorf("%d chunks in intervals of %v, want those of 7 s", total.GetChunks(),
				time.Duration(total.GetIntervalNano()))
		}
		at := began.Add(3 * time.Second)
		for _, m := range messages {
			if p := m.GetProgress(); p.GetIntervalNano() > 0 {
				if at = at.Add(time.Duration(p.GetIntervalNano())); m.GetTimeUnixNano() != at.UnixNano() {
					t.Errorf("an interval ends %v after the last one should", time.Unix(0, m.GetTimeUnixNano()).Sub(at))
				}
			}
		}
	})
}

// TestNapIsNotShort waits by the real clock.
func TestNapIsNotShort(t *testing.T) {
	c := newClock(time.Now(), newEnding(), nap)
	for i := range 50 {
		at := c.now() + time.Duration(i)*100*time.Microsecond
		if !c.until(at) {
			t.Fatal("told to stop")
		}
		if now := c.now(); now < at {
			t.Errorf("woken at %v, before %v", now, at)
		}
	}
}
