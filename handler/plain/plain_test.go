package plain

import (
	"bytes"
	"math"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// fill sets every field of a message to something that is not its default. Of a oneof that is
// the last; see chosen.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		d := fields.Get(i)
		switch {
		case d.IsMap():
			for _, k := range []string{"one", "größe"} {
				m.Mutable(d).Map().Set(protoreflect.ValueOfString(k).MapKey(), protoreflect.ValueOfString("wert "+k))
			}
		case d.Kind() == protoreflect.MessageKind && d.IsList():
			fill(m.Mutable(d).List().AppendMutable().Message())
			m.Mutable(d).List().AppendMutable() // an empty one
			fill(m.Mutable(d).List().AppendMutable().Message())
		case d.Kind() == protoreflect.MessageKind:
			fill(m.Mutable(d).Message())
		case d.IsList():
			m.Mutable(d).List().Append(value(d))
			m.Mutable(d).List().Append(value(d))
		default:
			m.Set(d, value(d))
		}
	}
}

func value(d protoreflect.FieldDescriptor) protoreflect.Value {
	return map[protoreflect.Kind]protoreflect.Value{
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
}

// variants returns a message of the type with each of its oneof's messages, full and empty, or,
// without a oneof, full and empty.
func variants(m proto.Message) []proto.Message {
	of := m.ProtoReflect()
	if of.Descriptor().Oneofs().Len() == 0 {
		full := of.New()
		fill(full)
		return []proto.Message{full.Interface(), of.New().Interface()}
	}
	var all []proto.Message
	fields := of.Descriptor().Oneofs().Get(0).Fields()
	for i := range fields.Len() {
		full, empty := of.New(), of.New()
		fill(full.Mutable(fields.Get(i)).Message())
		empty.Mutable(fields.Get(i))
		all = append(all, full.Interface(), empty.Interface())
	}
	return all
}

// Every message and field that a handler may read or write is declared here: whoever adds one
// has this test to tell. Batches are package intact's, or encoded elsewhere.
func TestEveryField(t *testing.T) {
	for _, of := range []proto.Message{&bulkheadv1.ClientFrame{}, &bulkheadv1.SupervisorFrame{},
		&bulkheadv1.ProbeRequest{}} {
		for _, want := range variants(of) {
			if f, ok := want.(*bulkheadv1.ClientFrame); ok && f.GetBatch() != nil {
				continue
			}
			got := of.ProtoReflect().New().Interface()
			if !decode(long(t, want), got) {
				t.Errorf("%T %v takes the long way", want, want)
			} else if !proto.Equal(got, want) {
				t.Errorf("decoded\n%v; want\n%v", got, want)
			}
		}
	}
	for _, of := range []proto.Message{&bulkheadv1.ServerFrame{}, &bulkheadv1.HandlerFrame{},
		&bulkheadv1.ProbeResponse{}} {
		for _, want := range variants(of) {
			f, ok := want.(*bulkheadv1.HandlerFrame)
			if b := f.GetBatch(); ok && b != nil && len(b.GetBatch()) == 0 {
				continue // there is none without a message
			}
			data, ok := plainly(want)
			got := of.ProtoReflect().New().Interface()
			if !ok {
				t.Errorf("%T %v takes the long way", want, want)
			} else if err := proto.Unmarshal(data, got); err != nil || !proto.Equal(got, want) {
				t.Errorf("encoded as\n%v, %v; want\n%v", got, err, want)
			}
		}
	}
}

// long encodes the long way.
func long(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// plainly encodes a message if it is plain.
func plainly(m proto.Message) ([]byte, bool) {
	if head, batch, ok := sealed(m); ok {
		return append(head, batch...), true
	}
	return encode(m)
}

// What is not plain is not decoded here.
func TestOdd(t *testing.T) {
	varint := func(n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
	}
	block := func(n protowire.Number, parts ...[]byte) []byte {
		var value []byte
		for _, p := range parts {
			value = append(value, p...)
		}
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), value)
	}
	for name, data := range map[string][]byte{
		"nothing":               {},
		"a batch":               block(2),
		"an unknown frame":      block(9),
		"a frame and another":   append(block(3, varint(1, 1)), block(3, varint(1, 2))...),
		"a field unknown":       block(3, varint(1, 1), varint(99, 1)),
		"a field twice":         block(3, varint(1, 1), varint(1, 2)),
		"fields that fall":      block(1, block(3, []byte("n")), varint(1, 1)),
		"another wire type":     block(3, block(1)),
		"a group":               append(protowire.AppendTag(nil, 1, protowire.StartGroupType), 1<<3|4),
		"a length beyond":       {1<<3 | 2, 5, 0},
		"a cut number":          block(3, []byte{1 << 3, 0x80}),
		"a number too long":     block(1, varint(1, math.MaxUint32+1)),
		"an enum too long":      block(1, varint(11, math.MaxUint32)),
		"a bool of 2":           block(1, varint(14, 2)),
		"a text not UTF-8":      block(1, block(3, []byte{0xff})),
		"a key not UTF-8":       block(1, block(5, block(1, []byte{0xff}))),
		"a pair of more":        block(1, block(5, block(3))),
		"a message cut":         block(1, block(7, []byte{6<<3 | 2, 9})),
		"a message's leftovers": block(1, block(7, varint(99, 1))),
		"a double cut":          block(1, block(7, block(9, []byte{2<<3 | 1, 0}))),
		"many consumers":        block(1, block(7, bytes.Repeat(block(6), mostItems+1))),
		"many sizes":            block(1, block(7, bytes.Repeat(block(6, bytes.Repeat(block(7), mostItems/2)), 3))),
		"many labels":           block(1, bytes.Repeat(block(5, block(1, []byte("key"))), mostItems+1)),
		"many texts":            block(1, bytes.Repeat(block(22), mostItems+1)),
	} {
		if decode(data, &bulkheadv1.ClientFrame{}) {
			t.Errorf("%s: decoded", name)
		}
	}
	invalid := &bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_End{End: &bulkheadv1.End{Text: "\xff"}}}
	if _, ok := encode(invalid); ok {
		t.Error("a text that is not UTF-8 was encoded")
	}
	if _, err := New().Marshal(invalid); err == nil {
		t.Error("the codec encoded a text that is not UTF-8")
	}
	for _, m := range []any{&bulkheadv1.HandlerFrame{}, &bulkheadv1.ServerFrame{}, &bulkheadv1.Batch{},
		&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_End{}}} {
		if data, ok := plainly(m.(proto.Message)); ok {
			t.Errorf("%T without a message was encoded as %x", m, data)
		}
	}
}

// What a newer program says beside what is known here is passed on.
func TestUnknownFieldsArePassedOn(t *testing.T) {
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 7)
	hello := &bulkheadv1.Hello{Name: "newer"}
	hello.ProtoReflect().SetUnknown(unknown)
	c := New()
	var in bulkheadv1.ClientFrame
	sent := long(t, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: hello}})
	if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(sent[:3]), mem.SliceBuffer(sent[3:])}, &in); err != nil {
		t.Fatal(err)
	}
	out, err := c.Marshal(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Hello{Hello: in.GetHello()}})
	if err != nil {
		t.Fatal(err)
	}
	var got bulkheadv1.HandlerFrame
	if err := proto.Unmarshal(out.Materialize(), &got); err != nil || !proto.Equal(got.GetHello(), hello) {
		t.Errorf("passed on as %v, %v; want %v", &got, err, hello)
	}
}

// FuzzDecode: what is decoded here, package proto decodes, and to the same.
func FuzzDecode(f *testing.F) {
	for i, of := range []proto.Message{&bulkheadv1.ClientFrame{}, &bulkheadv1.SupervisorFrame{},
		&bulkheadv1.ProbeRequest{}} {
		for _, m := range variants(of) {
			f.Add(byte(i), long(f, m))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		var got, want proto.Message
		switch which % 3 {
		case 0:
			got, want = &bulkheadv1.ClientFrame{}, &bulkheadv1.ClientFrame{}
		case 1:
			got, want = &bulkheadv1.SupervisorFrame{}, &bulkheadv1.SupervisorFrame{}
		default:
			got, want = &bulkheadv1.ProbeRequest{}, &bulkheadv1.ProbeRequest{}
		}
		if !decode(data, got) {
			return
		}
		if err := proto.Unmarshal(data, want); err != nil {
			t.Fatalf("decoded as %v what package proto refuses: %v", got, err)
		}
		// Compared as bytes: a NaN equals none.
		if string(long(t, got)) != string(long(t, want)) {
			t.Fatalf("decoded as\n%v; want\n%v", got, want)
		}
	})
}

// FuzzEncode: what is encoded here decodes to the same; what package proto refuses to encode is
// refused here.
func FuzzEncode(f *testing.F) {
	for i, of := range []proto.Message{&bulkheadv1.ServerFrame{}, &bulkheadv1.HandlerFrame{},
		&bulkheadv1.ProbeResponse{}} {
		for _, m := range variants(of) {
			f.Add(byte(i), long(f, m))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		m := []proto.Message{&bulkheadv1.ServerFrame{}, &bulkheadv1.HandlerFrame{},
			&bulkheadv1.ProbeResponse{}}[which%3]
		if (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, m) != nil {
			return
		}
		encoded, ok := plainly(m)
		if !ok {
			return
		}
		got := m.ProtoReflect().New().Interface()
		if err := proto.Unmarshal(encoded, got); err != nil {
			t.Fatalf("%v was encoded as %x: %v", m, encoded, err)
		}
		if string(long(t, got)) != string(long(t, m)) {
			t.Fatalf("encoded as\n%v; want\n%v", got, m)
		}
	})
}
