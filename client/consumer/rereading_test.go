package consumer

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/client/block"
	"bulkhead/client/consumer/disk"
	"bulkhead/client/names"
	"bulkhead/client/verify"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// newReading returns a verifier that reads continuously, and the content of a file of
// that size in its rotation.
func newReading(t *testing.T, size uint64) (*verifier, *content) {
	t.Helper()
	folder := t.TempDir()
	checked, err := newTask(request(folder, 4096, size, verifying(verifyContinuous, nil)))
	if err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	v := newVerifier(newJob(checked, d, newEnding()))
	v.reading, v.cancel = t.Context(), func() {}
	if err := v.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.close(); err != nil {
			t.Error(err)
		}
	})
	sources, err := block.NewSources(checked.data, 1, int(size), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer sources.Close()
	s := sources.Source(0)
	next, _ := v.rotation.next(nil)
	v.rotation.begin(next)
	f := &loadFile{turn: next, target: size}
	if err := s.Begin(checked.blockFile(f)); err != nil {
		t.Fatal(err)
	}
	name := names.LoadFile(next.number)
	if err := os.WriteFile(filepath.Join(folder, name), s.Chunk(0, int(size)), 0o600); err != nil {
		t.Fatal(err)
	}
	next.content = &content{name: name, target: verify.Target{File: checked.blockFile(f)}}
	v.rotation.finish(next)
	return v, next.content
}

// account returns what was entered into a ledger.
func account(l *ledger) *bulkheadv1.Progress {
	p, _ := l.take()
	return p
}

// TestReadingGoesOnWhereItStopped interrupts the reading of a file after the first part.
func TestReadingGoesOnWhereItStopped(t *testing.T) {
	const size = 5 << 20
	v, c := newReading(t, size)
	kept, noted := v.reader, 0
	defer func() { v.reader = kept }()
	reader, err := verify.NewReader(verify.Options{Note: func(bytes, _ uint64) {
		if noted++; noted == 1 {
			v.rotation.interrupt()
		}
		v.ledger.verified(bytes, 0)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	v.reader = reader
	v.readAgain()
	if first := account(v.ledger).GetVerifiedBytes(); first == 0 || first == size || c.target.From != first {
		t.Fatalf("%d bytes were read, and reading is to continue at %d", first, c.target.From)
	}
	from := c.target.From
	c.checked = time.Time{}
	v.readAgain()
	if rest := account(v.ledger).GetVerifiedBytes(); rest != size-from || c.target.From != 0 {
		t.Errorf("%d more bytes were read from %d on, and reading is to continue at %d", rest, from, c.target.From)
	}
}

// TestAFinishedFileInterruptsReading hands one over while another is read again.
func TestAFinishedFileInterruptsReading(t *testing.T) {
	v, _ := newReading(t, 4096)
	stopped := make(chan struct{})
	if c, _ := v.rotation.read(time.Nanosecond, func() { close(stopped) }); c == nil {
		t.Fatal("there is nothing to read")
	}
	handed := make(chan struct{})
	go func() {
		defer close(handed)
		v.hand(&finished{someTurn(), &bulkheadv1.Rollover{}, time.Now()})
	}()
	<-stopped
	if v.waiting.Load() != 1 {
		t.Error("the writer is not known to wait")
	}
	v.rotation.endReading()
	if v.readAgain(); account(v.ledger).GetVerifiedBytes() != 0 {
		t.Error("the file is read again before the one that waits")
	}
	<-v.finished
	<-handed
}

// someTurn returns one of a file of no meaning.
func someTurn() turn { return turn{number: 9, generation: 1, content: new(content)} }

// TestAFileThatIsGoneIsReadOnce removes a file behind the consumer's back.
func TestAFileThatIsGoneIsReadOnce(t *testing.T) {
	v, c := newReading(t, 4096)
	if err := os.Remove(v.path(c)); err != nil {
		t.Fatal(err)
	}
	v.readAgain()
	c.checked = time.Time{}
	v.readAgain()
	if p := account(v.ledger); p.GetErrors() != 1 {
		t.Errorf("%d errors, the last: %s", p.GetErrors(), p.GetLastError())
	}
}

// TestReadingBackHasHalfOfTheGrace looks at what has ended after which time.
func TestReadingBackHasHalfOfTheGrace(t *testing.T) {
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnding()
			if shared {
				e.share()
			}
			e.kill(10 * time.Second)
			for after := 1; after <= 11; after++ {
				time.Sleep(time.Second)
				synctest.Wait()
				writing := 10
				if shared {
					writing = 5
				}
				if due, over := isClosed(e.due), isClosed(e.over); due != (after >= writing) || over != (after >= 10) {
					t.Errorf("shared %v, after %d s: due %v, over %v", shared, after, due, over)
				}
			}
		})
	}
}
