package consumer

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/client/names"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestReadsOfOneProgress: comparing takes longer than an interval lasts, and one file is shorter than
// it was. What each Progress says of reads fits together all the same, or the report would leave it
// out.
func TestReadsOfOneProgress(t *testing.T) {
	const size = 1 << 20
	folder := t.TempDir()
	p := start(t, dial(t, New(Options{})), request(folder, size, size, func(task *bulkheadv1.ConsumerTask) {
		readingTask(&bulkheadv1.ReadSpec{Readers: 1, SizeBytes: size, Verify: true, RateOperationsPerSecond: 100},
			func(spec *bulkheadv1.ConsumerSpec) { spec.KeepFiles, spec.RateChunksPerSecond = 0, 20 })(task)
		task.ProgressIntervalNano = int64(minInterval)
	}))
	p.untilFiles(2)
	if err := os.Truncate(filepath.Join(folder, names.LoadFile(0)), size/2+100); err != nil {
		t.Fatal(err)
	}
	p.until("what is missing", func(m []*bulkheadv1.Message) bool { return len(corruptions(m)) > 0 })
	p.untilRead(readSum(p.messagesNow()).GetReads() + 20)
	p.kill(time.Minute)
	messages := p.orderlyEnd()
	for _, one := range progresses(messages) {
		if one.GetReadVerifiedBytes() != one.GetReadBytes() || one.GetReadToldBytes() > one.GetReadBytes() ||
			one.GetReadCachedBytes() > one.GetReadToldBytes() {
			t.Fatalf("in one Progress: %d B in %d reads, %d B compared, told of %d B, %d B from the page cache",
				one.GetReadBytes(), one.GetReads(), one.GetReadVerifiedBytes(), one.GetReadToldBytes(),
				one.GetReadCachedBytes())
		}
	}
	if list := corruptions(messages); list[0].GetKind() != bulkheadv1.CorruptionKind_CORRUPTION_KIND_TRUNCATED {
		t.Errorf("found %v", list[0])
	}
}

// TestReadsThatWereDueAtTheEnd were waited for until the readers ended, not until the writer has
// finished its file, which takes 5 s here.
func TestReadsThatWereDueAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(func(c call) (int, error) {
			switch {
			case c.op == "read":
				time.Sleep(50 * time.Millisecond)
			case c.op == "sync" && c.path != names.LoadFile(0):
				time.Sleep(5 * time.Second)
			}
			return 0, nil
		})
		messages := play(t, d, 10*time.Second+time.Millisecond, time.Minute, readingTask(
			&bulkheadv1.ReadSpec{Readers: 2, RateOperationsPerSecond: 100, SizeBytes: 1},
			func(spec *bulkheadv1.ConsumerSpec) { spec.Sync = bulkheadv1.SyncPolicy_SYNC_POLICY_FILE }))
		n := readSum(messages).GetReads()
		response := merged(t, messages, (*bulkheadv1.Progress).GetReadResponse)
		if n < 390 || n > 402 || response.Count() < 990 || response.Count() > 1002 {
			t.Errorf("%d reads, with those that were due %d, want about 400 and 1000", n, response.Count())
		}
		if longest := response.Max(); longest < 5900*time.Millisecond || longest > 6200*time.Millisecond {
			t.Errorf("the longest response time is %v, want about 6 s", longest)
		}
	})
}

// TestAWholeFileFoundCorruptInParts is counted to its last block: parts that touch are one.
func TestAWholeFileFoundCorruptInParts(t *testing.T) {
	const part, parts = 16 << 10, 5 * maxCorruptions
	for _, backwards := range []bool{false, true} {
		c, found := new(content), uint64(0)
		for pass := range 2 {
			for i := range uint64(parts) {
				if backwards {
					i = parts - 1 - i
				}
				found += c.learn(span{i * part, (i + 1) * part})
			}
			if found != part*parts || len(c.corrupt) != 1 {
				t.Errorf("after pass %d, backwards %t: %d of %d B, in %d spans", pass, backwards, found, part*parts,
					len(c.corrupt))
			}
		}
	}
}
