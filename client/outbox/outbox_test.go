package outbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// farSide is what a supervisor keeps: messages in order, and batches on their way.
type farSide struct {
	t       *testing.T
	durable []int // the note of each message, in order
	onWay   []*bulkheadv1.Batch
	limits  *bulkheadv1.Limits
}

func (f *farSide) take(box *Outbox) bool {
	frame, err := box.Take(f.limits)
	batch, broken := scripted.BatchIn(frame)
	if err := errors.Join(err, broken); err != nil {
		f.t.Fatal(err)
	}
	if batch == nil {
		return false
	}
	if size := len(frame); size > int(f.limits.MaxFrameBytes) {
		f.t.Fatalf("a frame has %d bytes; limit %d", size, f.limits.MaxFrameBytes)
	}
	if n := len(batch.Messages); n == 0 || n > int(f.limits.MaxBatchMessages) {
		f.t.Fatalf("a batch has %d messages; limit %d", n, f.limits.MaxBatchMessages)
	}
	f.onWay = append(f.onWay, batch)
	return true
}

// taken returns the next batch of an outbox, decoded; nil if there is none.
func taken(t *testing.T, box *Outbox, limits *bulkheadv1.Limits) *bulkheadv1.Batch {
	t.Helper()
	frame, err := box.Take(limits)
	batch, broken := scripted.BatchIn(frame)
	if err := errors.Join(err, broken); err != nil {
		t.Fatal(err)
	}
	return batch
}

// arrive makes the oldest batch durable.
func (f *farSide) arrive() {
	if len(f.onWay) == 0 {
		return
	}
	for _, m := range f.onWay[0].Messages {
		if m.GetSeq() != uint64(len(f.durable))+1 {
			f.t.Fatalf("message %d arrived after message %d", m.GetSeq(), len(f.durable))
		}
		f.durable = append(f.durable, scripted.NoteOf(m))
	}
	f.onWay = f.onWay[1:]
}

func TestOutboxDeliversEveryMessageOnceInOrder(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		box := New(scripted.TestHello(), random.Uint64N(2000), 1000+random.Uint64N(20_000), filepath.Join(dir, "spool"))
		far := &farSide{t: t, limits: &bulkheadv1.Limits{
			MaxFrameBytes: 300 + random.Uint32N(2000), MaxBatchMessages: 1 + random.Uint32N(20),
			MaxUnackedBatches: 1 + random.Uint32N(5),
		}}
		var said []int
		n, refused := 0, uint64(0)
		for range 600 {
			switch random.IntN(7) {
			case 0, 1, 2:
				n++
				err := box.Add(scripted.Note(n, random.IntN(200)))
				if errors.Is(err, errOutboxFull) {
					refused++
				} else if err != nil {
					t.Fatal(err)
				} else {
					said = append(said, n)
				}
			case 3:
				far.take(box)
			case 4:
				far.arrive()
			case 5:
				if err := box.Ack(random.Uint64N(uint64(len(far.durable)) + 1)); err != nil {
					t.Fatal(err)
				}
			case 6:
				if random.IntN(5) == 0 { // the connection broke; what was on its way is lost
					far.onWay = nil
					if err := box.Resume(uint64(len(far.durable))); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		n++
		if err := box.AddLast(scripted.Note(n, 10)); err != nil {
			t.Fatal(err)
		}
		said = append(said, n)
		for steps := 0; !box.State().Drained; steps++ {
			if steps > 10_000 {
				t.Fatalf("seed %d: the outbox does not drain: %+v", seed, box.State())
			}
			for far.take(box) {
			}
			far.arrive()
			if err := box.Ack(uint64(len(far.durable))); err != nil {
				t.Fatal(err)
			}
		}
		if fmt.Sprint(far.durable) != fmt.Sprint(said) {
			t.Fatalf("seed %d: arrived %v; said %v", seed, far.durable, said)
		}
		if got := box.State().Dropped; got != refused {
			t.Fatalf("seed %d: dropped = %d; want %d", seed, got, refused)
		}
		if path, err := box.Close(); path != "" || err != nil {
			t.Fatalf("seed %d: close = %q, %v; want nothing left", seed, path, err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Fatalf("seed %d: files left: %v", seed, left)
		}
	}
}

func TestOutboxUsesItsSpool(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	box := New(scripted.TestHello(), 100, 1<<20, path)
	for n := range 50 {
		if err := box.Add(scripted.Note(n, 50)); err != nil {
			t.Fatal(err)
		}
	}
	if box.memoryBytes > 100 {
		t.Errorf("memory holds %d bytes; want at most 100", box.memoryBytes)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() < 49*50 {
		t.Errorf("spool: %v, %v; want the messages that do not fit in memory", info, err)
	}
}

func TestOutboxKeepsUndeliveredMessages(t *testing.T) {
	for _, memory := range []uint64{1, 500, 1 << 20} { // nearly all, some and none in the spool
		path := filepath.Join(t.TempDir(), "spool")
		box := New(scripted.TestHello(), memory, 1<<20, path)
		for n := range 40 {
			if err := box.Add(scripted.Note(n+1, 30)); err != nil {
				t.Fatal(err)
			}
		}
		if err := box.Resume(13); err != nil {
			t.Fatal(err)
		}
		kept, err := box.Close()
		if err != nil || kept != path {
			t.Fatalf("close = %q, %v; want %q", kept, err, path)
		}
		var notes []int
		summary, err := readSpoolFile(kept, func(m *bulkheadv1.Message) error {
			notes = append(notes, scripted.NoteOf(m))
			return nil
		})
		if err != nil || summary.Damage != "" || summary.FirstSeq != 14 || summary.LastSeq != 40 ||
			summary.ClientID != spec.Secret(box.Hello.GetClientId()).ID().String() {
			t.Fatalf("memory %d: readSpoolFile = %+v, %v; want messages 14 to 40", memory, summary, err)
		}
		if notes[0] != 14 || notes[26] != 40 {
			t.Fatalf("memory %d: notes %v; want 14 to 40", memory, notes)
		}
		if err := box.Add(scripted.Note(1, 1)); !errors.Is(err, errOutboxSealed) {
			t.Fatalf("add after close: %v", err)
		}
	}
}

func TestOutboxRefusesWhatCannotBe(t *testing.T) {
	limits := &bulkheadv1.Limits{MaxFrameBytes: 1000, MaxBatchMessages: 3, MaxUnackedBatches: 2}
	full := func() *Outbox {
		box := New(scripted.TestHello(), 1<<20, 1<<20, filepath.Join(t.TempDir(), "spool"))
		for n := range 5 {
			if err := box.Add(scripted.Note(n, 10)); err != nil {
				t.Fatal(err)
			}
		}
		if err := box.Resume(2); err != nil {
			t.Fatal(err)
		}
		if batch := taken(t, box, limits); len(batch.GetMessages()) != 3 {
			t.Fatalf("take = %v; want 3 messages", batch)
		}
		return box
	}
	tests := []struct {
		name string
		do   func(*Outbox) error
		want string
	}{
		{"ack of unsent", func(b *Outbox) error { return b.Ack(6) }, "acknowledged message 6, but only 5 were sent"},
		{"ack twice", func(b *Outbox) error { return errors.Join(b.Ack(4), b.Ack(4)) }, ""},
		{"old ack", func(b *Outbox) error { return errors.Join(b.Ack(4), b.Ack(1)) }, ""},
		{"resume after the unsaid", func(b *Outbox) error { return b.Resume(6) },
			"resume after message 6, but only 5 were ever said"},
		{"resume before the acked", func(b *Outbox) error { return b.Resume(1) },
			"does not know messages 2 to 2, which it had acknowledged"},
		{"after the last",
			func(b *Outbox) error { return errors.Join(b.AddLast(scripted.Note(6, 1)), b.Add(scripted.Note(7, 1))) },
			errOutboxSealed.Error()},
		{"too large a message", func(b *Outbox) error {
			err := b.Add(scripted.Note(6, 2000))
			_, takeErr := b.Take(limits)
			return errors.Join(err, takeErr)
		}, "message 6 needs a frame of 20"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.do(full())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v; want %q", err, test.want)
			}
		})
	}
}

func TestOutboxWindow(t *testing.T) {
	limits := &bulkheadv1.Limits{MaxFrameBytes: 1000, MaxBatchMessages: 1, MaxUnackedBatches: 2}
	box := New(scripted.TestHello(), 1<<20, 1<<20, filepath.Join(t.TempDir(), "spool"))
	for n := range 4 {
		if err := box.Add(scripted.Note(n, 10)); err != nil {
			t.Fatal(err)
		}
	}
	all := func() (n int) {
		for taken(t, box, limits) != nil {
			n++
		}
		return n
	}
	if n := all(); n != 2 {
		t.Fatalf("%d batches in flight; want 2", n)
	}
	if err := box.Ack(1); err != nil {
		t.Fatal(err)
	}
	if n := all(); n != 1 {
		t.Fatalf("%d batches after one ack; want 1", n)
	}
}

func TestOutboxLastMessageFitsAFullSpool(t *testing.T) {
	box := New(scripted.TestHello(), 1, 600, filepath.Join(t.TempDir(), "spool"))
	var err error
	for n := 0; err == nil; n++ {
		err = box.Add(scripted.Note(n, 50))
	}
	if !errors.Is(err, errOutboxFull) {
		t.Fatal(err)
	}
	if err := box.AddLast(scripted.Note(0, 50)); err != nil {
		t.Fatalf("last message: %v", err)
	}
}

// When the disk of the spool is full, the last message is kept all the same: it says
// how the load ended.
func TestOutboxKeepsALastMessageThatHasNoRoomOnDisk(t *testing.T) {
	box := New(scripted.TestHello(), 100, 1<<20, filepath.Join(t.TempDir(), "missing", "spool"))
	if err := errors.Join(box.Add(scripted.Note(1, 0)), box.AddLast(scripted.Note(2, 200))); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 2; seq++ {
		batch := taken(t, box, &bulkheadv1.Limits{MaxFrameBytes: 1 << 20, MaxBatchMessages: 10, MaxUnackedBatches: 10})
		if len(batch.GetMessages()) != 1 || scripted.NoteOf(batch.GetMessages()[0]) != int(seq) {
			t.Fatalf("took %v; want message %d", batch, seq)
		}
		if err := box.Ack(seq); err != nil {
			t.Fatal(err)
		}
	}
	if s := box.State(); !s.Drained || s.Last != 2 || s.Dropped != 0 {
		t.Errorf("%+v: want drained at 2", s)
	}
}

// A last message that never had room is among those that are left behind.
func TestOutboxLeavesALastMessageThatHadNoRoom(t *testing.T) {
	dir := t.TempDir()
	box := New(scripted.TestHello(), 100, 1<<20, filepath.Join(dir, "late", "spool"))
	if err := errors.Join(box.Add(scripted.Note(1, 0)), box.AddLast(scripted.Note(2, 200)),
		os.Mkdir(filepath.Join(dir, "late"), 0o700)); err != nil {
		t.Fatal(err)
	}
	path, err := box.Close()
	if err != nil {
		t.Fatal(err)
	}
	var left []int
	if _, err := readSpoolFile(path,
		func(m *bulkheadv1.Message) error { left = append(left, scripted.NoteOf(m)); return nil }); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(left) != "[1 2]" {
		t.Errorf("left messages %v; want 1 and 2", left)
	}
}
