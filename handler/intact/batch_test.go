package intact

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// frame returns the encoded frame of a Batch.
func frame(t testing.TB, b *bulkheadv1.Batch) []byte {
	t.Helper()
	return marshal(t, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: b}})
}

// everyFact returns a Batch with each fact, every field of it set.
func everyFact() *bulkheadv1.Batch {
	process := &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Index: 1, Pid: -7}
	b := &bulkheadv1.Batch{}
	fields := (*bulkheadv1.Message)(nil).ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
	for i := range fields.Len() {
		m := &bulkheadv1.Message{Seq: uint64(i + 9), TimeUnixNano: -1, Process: process, ElapsedNano: 5}
		fill(m.ProtoReflect().Mutable(fields.Get(i)).Message())
		b.Messages = append(b.Messages, m)
	}
	return b
}

// fill sets every field of a message to something that is not its default.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		d := fields.Get(i)
		if d.Kind() == protoreflect.MessageKind {
			if d.IsList() {
				fill(m.Mutable(d).List().AppendMutable().Message())
				fill(m.Mutable(d).List().AppendMutable().Message())
			} else {
				fill(m.Mutable(d).Message())
			}
			continue
		}
		v := map[protoreflect.Kind]protoreflect.Value{
			protoreflect.Uint64Kind: protoreflect.ValueOfUint64(math.MaxUint64),
			protoreflect.Int64Kind:  protoreflect.ValueOfInt64(math.MinInt64),
			protoreflect.Uint32Kind: protoreflect.ValueOfUint32(math.MaxUint32),
			protoreflect.Int32Kind:  protoreflect.ValueOfInt32(math.MinInt32),
			protoreflect.EnumKind:   protoreflect.ValueOfEnum(-3),
			protoreflect.BoolKind:   protoreflect.ValueOfBool(true),
			protoreflect.DoubleKind: protoreflect.ValueOfFloat64(math.Copysign(0, -1)),
			protoreflect.StringKind: protoreflect.ValueOfString("größe 測試"),
			protoreflect.BytesKind:  protoreflect.ValueOfBytes([]byte{0xff}),
		}[d.Kind()]
		if d.IsList() {
			m.Mutable(d).List().Append(v)
			m.Mutable(d).List().Append(v)
			continue
		}
		m.Set(d, v)
	}
}

// TestEveryFactIsIntact walks the descriptors: whatever field is added to a fact, a Batch with
// it is still taken as it came.
func TestEveryFactIsIntact(t *testing.T) {
	b := everyFact()
	got, ok := Find(frame(t, b))
	if !ok || got.FirstSeq != 9 || got.Messages() != uint64(len(b.GetMessages())) ||
		!bytes.Equal(got.Data, marshal(t, b)) {
		t.Fatalf("Find = %d to %d, %v", got.FirstSeq, got.LastSeq, ok)
	}
	if _, ok := Find(frame(t, rawclient.Batch(1, 128))); !ok {
		t.Error("a Batch of Progress is not intact")
	}
}

// TestBoundsAreTheProtocols walks the bounds of what a client may say: of a text or list in a
// Message that has one more than that, a Batch is decoded, because it is cut or refused.
func TestBoundsAreTheProtocols(t *testing.T) {
	tried := 0
	for _, l := range protocol.Limits() {
		b := everyFact()
		found := false
		for _, m := range b.GetMessages() {
			found = grow(m.ProtoReflect(), protoreflect.FullName(l.Field), l.Most) || found
		}
		if !found || l.Beyond == protocol.Framed {
			continue
		}
		tried++
		if _, ok := Find(frame(t, b)); !ok && l.Field != "bulkhead.v1.Message.shortened" {
			t.Errorf("%s at its bound, %d, is not intact", l.Field, l.Most)
		}
		for _, m := range b.GetMessages() {
			grow(m.ProtoReflect(), protoreflect.FullName(l.Field), l.Most+1)
		}
		if _, ok := Find(frame(t, b)); ok {
			t.Errorf("%s beyond its bound, %d, is intact", l.Field, l.Most)
		}
	}
	if tried < 10 {
		t.Errorf("%d bounds were tried", tried)
	}
}

// grow gives the field of a name, wherever it is in m, a length, and reports whether there is one.
func grow(m protoreflect.Message, name protoreflect.FullName, length int) (found bool) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		d := fields.Get(i)
		switch {
		case d.FullName() == name && d.IsList():
			list := m.Mutable(d).List()
			list.Truncate(0)
			for range length {
				list.Append(list.NewElement())
			}
		case d.FullName() == name && d.Kind() == protoreflect.StringKind:
			m.Set(d, protoreflect.ValueOfString(strings.Repeat("x", length)))
		case d.FullName() == name:
			m.Set(d, protoreflect.ValueOfBytes(make([]byte, length)))
		case d.Kind() == protoreflect.MessageKind && d.IsList():
			for i := range m.Get(d).List().Len() {
				found = grow(m.Mutable(d).List().Get(i).Message(), name, length) || found
			}
			continue
		case d.Kind() == protoreflect.MessageKind && m.Has(d):
			found = grow(m.Mutable(d).Message(), name, length) || found
			continue
		default:
			continue
		}
		found = true
	}
	return found
}

func TestTags(t *testing.T) {
	number := func(of protoreflect.MessageDescriptor, name protoreflect.Name) protowire.Number {
		return of.Fields().ByName(name).Number()
	}
	clientFrame := (*bulkheadv1.ClientFrame)(nil).ProtoReflect().Descriptor()
	batch := (*bulkheadv1.Batch)(nil).ProtoReflect().Descriptor()
	message := (*bulkheadv1.Message)(nil).ProtoReflect().Descriptor()
	process := (*bulkheadv1.Process)(nil).ProtoReflect().Descriptor()
	for name, c := range map[string]struct{ got, want uint64 }{
		"frame.batch":     {tagFrameBatch, protowire.EncodeTag(number(clientFrame, "batch"), protowire.BytesType)},
		"batch.messages":  {tagBatchMessages, protowire.EncodeTag(number(batch, "messages"), protowire.BytesType)},
		"message.seq":     {tagMessageSeq, protowire.EncodeTag(number(message, "seq"), protowire.VarintType)},
		"process.kind":    {tagProcessKind, protowire.EncodeTag(number(process, "kind"), protowire.VarintType)},
		"message.process": {messageProcess, uint64(number(message, "process"))},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d; the descriptor says %d", name, c.got, c.want)
		}
	}
	if n := batch.Fields().Len(); n != 1 {
		t.Errorf("a Batch has %d fields; Find knows one", n)
	}
}

// TestOthersAreNot gives what must be decoded: because something is to be refused, cut or
// kept apart, or because encoding it again would give other bytes.
func TestOthersAreNot(t *testing.T) {
	good := rawclient.Batch(1, 3)
	changed := func(change func(*bulkheadv1.Message)) []byte {
		b := proto.CloneOf(good)
		change(b.GetMessages()[1])
		return frame(t, b)
	}
	// of gives the frame of one Message with these bytes in place of, or behind, its own.
	of := func(message ...[]byte) []byte {
		batch := protowire.AppendTag(nil, 1, protowire.BytesType)
		batch = protowire.AppendBytes(batch, bytes.Join(message, nil))
		return protowire.AppendBytes([]byte{tagFrameBatch}, batch)
	}
	one := marshal(t, rawclient.Message(1))
	if _, ok := Find(of(one)); !ok {
		t.Fatal("the message that the others are made of is not intact")
	}
	progress := func(p []byte) []byte {
		m := marshal(t, &bulkheadv1.Message{Seq: 1, Process: rawclient.Message(1).GetProcess()})
		return of(m, protowire.AppendBytes(protowire.AppendTag(nil, 16, protowire.BytesType), p))
	}
	if _, ok := Find(progress([]byte{0x10, 1})); !ok {
		t.Fatal("a Progress of one byte is not intact")
	}
	type message = bulkheadv1.Message
	for name, data := range map[string][]byte{
		"nothing":                      nil,
		"garbage":                      {0xff, 0xff, 0xff},
		"a Hello":                      marshal(t, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{}}),
		"an empty Batch":               frame(t, &bulkheadv1.Batch{}),
		"a frame with more behind it":  append(frame(t, good), 0x1a, 0x00),
		"a frame cut short":            frame(t, good)[:40],
		"a length beyond its shortest": {tagFrameBatch, 0x80, 0x00},
		"number 0":                     changed(func(m *message) { m.Seq = 0 }),
		"a gap":                        changed(func(m *message) { m.Seq = 7 }),
		"a number twice":               changed(func(m *message) { m.Seq = 1 }),
		"no process":                   changed(func(m *message) { m.Process = nil }),
		"a process of no kind":         changed(func(m *message) { m.Process.Kind = 0 }),
		"no fact":                      changed(func(m *message) { m.Fact = nil }),
		"a list that must be cut": changed(func(m *message) {
			m.Fact = &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{Consumer: &bulkheadv1.ConsumerSpec{
				ChunkSizes: make([]*bulkheadv1.WeightedSize, protocol.MaxChunkSizes+1)}}}
			for i := range m.GetStart().GetConsumer().GetChunkSizes() {
				m.GetStart().Consumer.ChunkSizes[i] = &bulkheadv1.WeightedSize{}
			}
		}),
		"a double that is the default": of(one[:2], []byte{0x1a, 2, 0x08, 2},
			[]byte{0x52, 11, 0x0a, 9, 0x61, 0, 0, 0, 0, 0, 0, 0, 0}),
		"a double cut short":      of(one[:2], []byte{0x1a, 2, 0x08, 2}, []byte{0x52, 6, 0x0a, 4, 0x61, 0, 0, 1}),
		"what the client has cut": changed(func(m *message) { m.Shortened = []string{"rollover.path"} }),
		"a histogram with a count too few": changed(func(m *message) {
			m.GetProgress().ChunkWrite.Count = m.GetProgress().GetChunkWrite().GetCount()[1:]
		}),
		"a text that must be cut": changed(func(m *message) {
			m.Fact = &bulkheadv1.Message_Progress{
				Progress: &bulkheadv1.Progress{LastError: strings.Repeat("e", protocol.MaxTextBytes+1)}}
		}),
		"a path that must be cut": changed(func(m *message) {
			m.Fact = &bulkheadv1.Message_Rollover{
				Rollover: &bulkheadv1.Rollover{PathBytes: make([]byte, protocol.MaxPathBytes+1)}}
		}),
		"a fact of a newer client":      of(one[:2], []byte{0x1a, 2, 0x08, 2}, []byte{0xf2, 0x07, 0x00}),
		"an unknown field":              progress([]byte{0x10, 1, 0xf8, 0x01, 1}),
		"a field number beyond":         progress([]byte{0xf8, 0x7f, 1}),
		"field number 0":                progress([]byte{0x02, 0x00}),
		"falling fields":                progress([]byte{0x18, 1, 0x10, 1}),
		"a field twice":                 progress([]byte{0x10, 1, 0x10, 1}),
		"a default":                     progress([]byte{0x10, 0}),
		"an empty text":                 progress([]byte{0x2a, 0}),
		"a text that is not UTF-8":      progress([]byte{0x2a, 1, 0xff}),
		"another wire type":             progress([]byte{0x12, 1, 1}),
		"a fixed number":                progress([]byte{0x11, 1, 0, 0, 0, 0, 0, 0, 0}),
		"a group":                       progress([]byte{0x13, 0x14}),
		"a number not in its shortest":  progress([]byte{0x10, 0x81, 0x00}),
		"a number beyond 64 bits":       progress([]byte{0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2}),
		"a tag not in its shortest":     progress([]byte{0x90, 0x00, 1}),
		"a tag cut short":               progress([]byte{0x90}),
		"a number cut short":            progress([]byte{0x10, 0x80}),
		"a block cut short":             progress([]byte{0x32, 5, 1}),
		"a list that is not packed":     progress([]byte{0x32, 4, 0x08, 1, 0x10, 1}),
		"a list of no shortest numbers": progress([]byte{0x32, 8, 0x0a, 2, 0x81, 0x00, 0x12, 2, 0x81, 0x00}),
		"an empty list":                 progress([]byte{0x32, 4, 0x0a, 0, 0x12, 0}),
		"two facts":                     of(one, []byte{0x8a, 0x01, 0x00}),
		"an enum beyond 32 bits":        of([]byte{0x08, 1, 0x1a, 6, 0x08, 0x82, 0x80, 0x80, 0x80, 0x10}, one[2:]),
		"a message twice as a field":    of(one, one),
	} {
		if b, ok := Find(data); ok {
			t.Errorf("%s: taken as messages %d to %d", name, b.FirstSeq, b.LastSeq)
		}
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	data := frame(t, rawclient.Batch(1, 128))
	if n := testing.AllocsPerRun(100, func() { Find(data) }); n > 0 {
		t.Errorf("finding a Batch of 128 messages allocates %v times", n)
	}
}

func BenchmarkFind(b *testing.B) {
	data := frame(b, rawclient.Batch(1, 128))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Find(data)
	}
}

func BenchmarkDecode(b *testing.B) {
	data := frame(b, rawclient.Batch(1, 128))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		var f bulkheadv1.ClientFrame
		if err := proto.Unmarshal(data, &f); err != nil {
			b.Fatal(err)
		}
		marshal(b, f.GetBatch())
	}
}
