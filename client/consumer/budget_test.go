package consumer

import (
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/client/budget"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A budget is spent to the last chunk, also when a write fails after another writer has
// found nothing left. The time after it is no time of writing, and with a rate nothing
// is overdue in it.
func TestBudgetIsSpentAndNoMore(t *testing.T) {
	const chunks, chunk = 10, 1000
	for name, rate := range map[string]float64{"as fast as can be": 0, "with a rate": 100} {
		t.Run(name, func(t *testing.T) {
			shared, err := budget.New(chunks * chunk)
			if err != nil {
				t.Fatal(err)
			}
			defer shared.Close()
			descriptor, err := syscall.Dup(int(shared.File().Fd()))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				var writes atomic.Int64
				d := newScriptedDisk(slow(func(c call) (int, error) {
					if c.op == "write" && writes.Add(1) == chunks {
						time.Sleep(time.Second) // until the other writer has found nothing left
						return 0, syscall.EIO
					}
					return 0, nil
				}))
				const runtime = time.Minute
				messages := play(t, d, runtime, time.Second, func(task *bulkheadv1.ConsumerTask) {
					task.BudgetDescriptor = uint32(descriptor)
					task.Spec.FileSizeBytes, task.Spec.Concurrency, task.Spec.RateChunksPerSecond = 2000, 2, rate
				})
				var bytes, errors, responses uint64
				var writing time.Duration
				for _, m := range messages {
					p := m.GetProgress()
					bytes += p.GetBytes()
					errors += p.GetErrors()
					writing += time.Duration(p.GetIntervalNano())
					for _, n := range p.GetResponse().GetCount() {
						responses += n
					}
				}
				if bytes != chunks*chunk || errors != 1 {
					t.Errorf("%d bytes and %d errors; want %d and 1", bytes, errors, chunks*chunk)
				}
				if writing < time.Second || writing > runtime/2 {
					t.Errorf("%v of writing; want it to end with the budget", writing)
				}
				if rate > 0 && responses != chunks {
					t.Errorf("%d response times; want %d, one for each chunk", responses, chunks)
				}
			})
			if !shared.Of(0).Spent() {
				t.Error("something is left")
			}
		})
	}
}

func TestNoBudgetWhereOneIsSaidToBe(t *testing.T) {
	c := newConsumer(Options{}, newScriptedDisk(nil))
	stream := &heldStream{ctx: t.Context()}
	err := c.Run(request("/", 1000, 2500, func(task *bulkheadv1.ConsumerTask) { task.BudgetDescriptor = 1 << 20 }),
		stream)
	if err == nil || len(stream.sent()) != 0 {
		t.Errorf("Run = %v, %v; want that there is no budget", err, stream.sent())
	}
}

// A writer that thinks for an hour notices that others have spent the budget, long before
// anybody ends the load.
func TestWaitingWriterNoticesThatTheBudgetIsSpent(t *testing.T) {
	shared, err := budget.New(10_000)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	descriptor, err := syscall.Dup(int(shared.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(nil))
		time.AfterFunc(5*time.Second, func() { shared.Of(0).Take(10_000) }) // another consumer
		began := time.Now()
		play(t, d, time.Minute, time.Minute, func(task *bulkheadv1.ConsumerTask) {
			task.BudgetDescriptor = uint32(descriptor)
			task.Spec.ThinkTimeNano = int64(time.Hour)
		})
		for _, c := range d.calls {
			if c.op == "close" && c.at.Sub(began) < 10*time.Second {
				return
			}
		}
		t.Errorf("the file was not closed when the budget was spent: %+v", d.calls)
	})
}
