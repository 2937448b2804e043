package journal

import (
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// FuzzDecode compares decode, which reads most records by itself, with the decoder of
// the library.
func FuzzDecode(f *testing.F) {
	for _, rec := range wholeRun() {
		f.Add(mustMarshal(f, rec))
	}
	f.Fuzz(compareDecode)
}

func compareDecode(t *testing.T, payload []byte) {
	want := new(bulkheadv1.Record)
	wantErr := proto.Unmarshal(payload, want)
	want.WriteBegin = nil // the journal's own
	was := string(payload)
	payload = []byte(was)
	got, err := decode(payload, Position{}, nil)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("decode = %v, proto.Unmarshal = %v", err, wantErr)
	}
	if verifyErr := verify(payload, Position{}, Mark{}); (verifyErr == nil) != (wantErr == nil) {
		t.Errorf("verify = %v, proto.Unmarshal = %v", verifyErr, wantErr)
	}
	if string(payload) != was {
		t.Error("decode changed the payload")
	}
	clear(payload) // the record must not keep it
	if err == nil && !proto.Equal(got, want) {
		t.Errorf("decode = %v, want %v", got, want)
	}
}

func mustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDecode decodes records in forms that encoders do not write, too.
func TestDecode(t *testing.T) {
	whole := mustMarshal(t, batch(7, 1, 3))
	inner := mustMarshal(t, batch(7, 1, 3).GetSessionBatch())
	bytesField := func(number protowire.Number, content []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content)
	}
	varint := func(number protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
	}
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for name, payload := range map[string][]byte{
		"as written":              whole,
		"no time":                 bytesField(5, inner),
		"elapsed behind":          join(whole, varint(14, 5)),
		"elapsed before":          join(varint(14, 5), whole),
		"elapsed twice":           join(whole, varint(14, 5), varint(14, 6)),
		"elapsed cut off":         join(whole, varint(14, 500)[:2]),
		"time last":               join(bytesField(5, inner), varint(1, 4)),
		"time twice":              join(varint(1, 3), whole),
		"negative time":           join(varint(1, math.MaxUint64), bytesField(5, inner)),
		"two batches merge":       join(whole, bytesField(5, varint(3, 9))),
		"another entry behind":    join(whole, bytesField(6, varint(1, 7))),
		"another entry before":    join(bytesField(6, varint(1, 7)), bytesField(5, inner)),
		"unknown field behind":    join(whole, varint(99, 1)),
		"unknown field inside":    bytesField(5, join(inner, varint(99, 1))),
		"fields out of order":     bytesField(5, join(varint(3, 3), varint(1, 7), varint(2, 1))),
		"no batch":                bytesField(5, join(varint(1, 7), varint(2, 1), varint(3, 1))),
		"empty batch":             bytesField(5, join(varint(1, 7), bytesField(4, nil))),
		"empty SessionBatch":      bytesField(5, nil),
		"session beyond 32 bits":  bytesField(5, join(varint(1, 1<<33+7), bytesField(4, []byte("x")))),
		"varint cut short":        {tagTime, 0xff},
		"batch cut short":         whole[:len(whole)-1],
		"length beyond the end":   {tagSessionBatch, 5, 1},
		"inner varint cut short":  bytesField(5, []byte{tagSession, 0x80}),
		"inner bytes cut short":   bytesField(5, []byte{tagBatch, 9, 1}),
		"inner wrong wire type":   bytesField(5, bytesField(1, []byte("x"))),
		"varint of eleven bytes":  {tagTime, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1},
		"time in a long encoding": join([]byte{tagTime, 0x84, 0x00}, bytesField(5, inner)),
	} {
		t.Run(name, func(t *testing.T) { compareDecode(t, payload) })
	}
	if _, ok := splitBatch(whole); !ok {
		t.Error("a record as an encoder writes it is not read the short way")
	}
}

// TestReplayAllocatesLittle replays batches: one allocation is for the record and one
// for the batch in it.
func TestReplayAllocatesLittle(t *testing.T) {
	const records = 10_000
	recs := []*bulkheadv1.Record{runStarted(), opened(1)}
	for seq := range uint64(records) {
		recs = append(recs, batch(1, seq+1, seq+1))
	}
	dir, f := newJournal(t, Options{})
	if err := f.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
	closeJournal(t, f)
	n := testing.AllocsPerRun(3, func() {
		if _, err := Replay(dir, func(*bulkheadv1.Record) error { return nil }); err != nil {
			t.Error(err)
		}
	})
	if n > 2*records+1000 {
		t.Errorf("%v allocations for %d records", n, records)
	}
}

// Nearly all of a journal is read without the library, also when its records have both
// clocks.
func TestBatchesAsTheyAreWrittenAreReadByHand(t *testing.T) {
	rec := batch(7, 1, 3)
	rec.TimeUnixNano, rec.ElapsedNano = 1_700_000_000_000_000_000, 42
	f, ok := splitBatch(mustMarshal(t, rec))
	if !ok || f.elapsed != 42 || f.last != 3 {
		t.Errorf("splitBatch = %+v, %v", f, ok)
	}
}
