package outbox

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// everyFact returns messages with each fact, every field of it set.
func everyFact() []*bulkheadv1.Message {
	var all []*bulkheadv1.Message
	fields := (*bulkheadv1.Message)(nil).ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
	for i := range fields.Len() {
		m := &bulkheadv1.Message{
			Process:   &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR, Index: 3, Pid: -1},
			Shortened: []string{"rollover.path", "größe"},
		}
		set(m.ProtoReflect().Mutable(fields.Get(i)).Message())
		all = append(all, m)
	}
	return all
}

// set sets every field of a message to something that is not its default.
func set(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Kind() == protoreflect.MessageKind {
			if f.IsList() {
				set(m.Mutable(f).List().AppendMutable().Message())
			} else {
				set(m.Mutable(f).Message())
			}
			continue
		}
		v := map[protoreflect.Kind]protoreflect.Value{
			protoreflect.Uint64Kind: protoreflect.ValueOfUint64(math.MaxUint64),
			protoreflect.Int64Kind:  protoreflect.ValueOfInt64(math.MinInt64),
			protoreflect.Uint32Kind: protoreflect.ValueOfUint32(math.MaxUint32),
			protoreflect.Int32Kind:  protoreflect.ValueOfInt32(math.MinInt32),
			protoreflect.EnumKind:   protoreflect.ValueOfEnum(1),
			protoreflect.BoolKind:   protoreflect.ValueOfBool(true),
			protoreflect.DoubleKind: protoreflect.ValueOfFloat64(0.5),
			protoreflect.StringKind: protoreflect.ValueOfString("größe"),
			protoreflect.BytesKind:  protoreflect.ValueOfBytes([]byte{0xff}),
		}[f.Kind()]
		if f.IsList() {
			m.Mutable(f).List().Append(v)
			continue
		}
		m.Set(f, v)
	}
}

// decoded returns the frame that comes of decoding messages, numbering them from first on and
// encoding them again.
func decoded(t testing.TB, payloads [][]byte, first uint64) Frame {
	t.Helper()
	batch := new(bulkheadv1.Batch)
	for i, payload := range payloads {
		message := new(bulkheadv1.Message)
		if err := proto.Unmarshal(payload, message); err != nil {
			t.Fatal(err)
		}
		message.Seq = first + uint64(i)
		batch.Messages = append(batch.Messages, message)
	}
	frame, err := proto.Marshal(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: batch}})
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// A frame has the bytes that decoding and encoding its messages gives, whatever the facts, the
// numbers that the session has for them, and where they were kept.
func TestAFrameIsTheBatchOfItsMessages(t *testing.T) {
	limits := &bulkheadv1.Limits{MaxFrameBytes: 1 << 20, MaxBatchMessages: 5, MaxUnackedBatches: 1}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 4))
		path := filepath.Join(t.TempDir(), "spool")
		box := New(scripted.TestHello(), random.Uint64N(4000), 1<<20, path)
		for range 20 + random.IntN(300) { // so that numbers have one byte or two
			facts := everyFact()
			if err := box.Add(facts[random.IntN(len(facts))]); err != nil {
				t.Fatal(err)
			}
		}
		resent := random.IntN(2) == 0
		if resent {
			left, err := box.Close()
			if err != nil {
				t.Fatal(err)
			}
			spool, summary, err := OpenSpool(left)
			if err != nil {
				t.Fatal(err)
			}
			defer spool.File.Close()
			acked := random.Uint64N(1000) // other numbers than the messages have
			if box, err = FromSpool(summary.Hello, spool, 0, uint64(summary.Messages), acked, false); err != nil {
				t.Fatal(err)
			}
		}
		for step := 0; ; step++ {
			if random.IntN(10) == 0 && !resent {
				if _, _, err := box.Renumber(box.State().Acked - box.base); err != nil {
					t.Fatal(err)
				}
			}
			state, first := box.State(), box.acked+1-box.base
			memory := append([][]byte(nil), box.memory...)
			frame, err := box.Take(limits)
			if err != nil {
				t.Fatal(err)
			}
			if frame == nil {
				if state.Acked != state.Last {
					t.Fatalf("seed %d: nothing to take at %+v", seed, state)
				}
				break
			}
			batch, err := scripted.BatchIn(frame)
			if err != nil {
				t.Fatal(err)
			}
			n := len(batch.GetMessages())
			if want := decoded(t, memory[:n], first); !bytes.Equal(frame, want) {
				t.Fatalf("seed %d, message %d on, resent %v: the frame is\n%x; want\n%x", seed, first, resent, frame,
					want)
			}
			if err := box.Ack(batch.GetMessages()[n-1].GetSeq()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Another program's spool may have a message whose number is not its first field, or twice in it.
func TestAMessageEncodedByOthersGetsItsNumber(t *testing.T) {
	plain, err := proto.Marshal(scripted.Note(1, 3))
	if err != nil {
		t.Fatal(err)
	}
	number := func(n uint64) []byte { return protowire.AppendVarint([]byte{seqTag}, n) }
	for name, payload := range map[string][]byte{
		"none":   plain,
		"last":   append(append([]byte(nil), plain...), number(7)...),
		"first":  append(number(7), plain...),
		"longer": append([]byte{seqTag, 0x87, 0x80, 0}, plain...),
		"twice":  append(append(number(7), plain...), number(9)...),
	} {
		message, err := saidAs(payload, 300)
		if err != nil {
			t.Fatal(err)
		}
		batch, err := scripted.BatchIn(frameOf([]said{message}, 1+protowire.SizeBytes(message.size())))
		if err != nil || len(batch.GetMessages()) != 1 {
			t.Fatalf("%s: %v, %v", name, batch, err)
		}
		if m := batch.GetMessages()[0]; m.GetSeq() != 300 || scripted.NoteOf(m) != 1 {
			t.Errorf("%s: sent as %v; want number 300 and the note", name, m)
		}
	}
	if _, err := saidAs([]byte{0xff}, 1); err == nil {
		t.Error("a message that cannot be decoded is sent")
	}
}

// BenchmarkFrame makes the frame of a batch as it goes to the wire: of the kept messages as they
// are, and as it would be with decoding and encoding them.
func BenchmarkFrame(b *testing.B) {
	for _, n := range []int{1, 128} {
		facts := everyFact()
		box := New(scripted.TestHello(), 1<<20, 1<<20, filepath.Join(b.TempDir(), "spool"))
		for i := range n {
			if err := box.Add(facts[i%len(facts)]); err != nil {
				b.Fatal(err)
			}
		}
		limits := &bulkheadv1.Limits{MaxFrameBytes: 1 << 20, MaxBatchMessages: 128, MaxUnackedBatches: 1}
		kept := func(b *testing.B) Frame {
			if err := box.rewind(0); err != nil {
				b.Fatal(err)
			}
			frame, err := box.Take(limits)
			if err != nil {
				b.Fatal(err)
			}
			return frame
		}
		for _, way := range []struct {
			name string
			make func(*testing.B) Frame
		}{
			{"kept", kept},
			{"decoded", func(b *testing.B) Frame { return decoded(b, box.memory, 1) }},
		} {
			b.Run(fmt.Sprintf("messages=%d/%s", n, way.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = io.Discard.Write(way.make(b))
				}
			})
		}
	}
}
