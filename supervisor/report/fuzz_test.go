package report

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// FuzzFold folds any bytes as a batch, twice: as they are, and, when they decode,
// renumbered so that their facts are reached. Its corpus is in testdata/fuzz.
func FuzzFold(f *testing.F) {
	a := newStory(f, 1).arrive("fuzz", 1, 1, 4001, 0)
	p := a.phased(0, 2, 1)
	p.VerifiedBytes, p.CorruptBlocks = 4096, 1
	a.say(&bulkheadv1.Message{Process: a.process(kindConsumer, 0), Fact: &bulkheadv1.Message_Progress{Progress: p}}, a.corruption(0, place(1)), a.recycled(0, 1, 2))
	f.Add(a.records[len(a.records)-1].GetSessionBatch().GetBatch())
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStory(t, 1)
		a := s.arrive("fuzz", 1, 1, 4001, 0)
		a.sayBytes(1, 3, data)
		batch := new(bulkheadv1.Batch)
		if proto.Unmarshal(data, batch) == nil && len(batch.GetMessages()) > 0 {
			for i, m := range batch.GetMessages() {
				m.Seq = uint64(4 + i)
			}
			encoded, err := proto.Marshal(batch)
			if err != nil {
				t.Fatal(err)
			}
			a.sayBytes(4, uint64(3+len(batch.GetMessages())), encoded)
		}
		r := foldAll(t, s.records)
		c := &r.Clients[0]
		if c.Messages+c.Malformed != c.LastSeq {
			t.Errorf("%d messages and %d malformed of %d", c.Messages, c.Malformed, c.LastSeq)
		}
		text, encoded := render(t, r)
		checkPrintable(t, text)
		if err := json.Unmarshal(encoded, new(Report)); err != nil {
			t.Errorf("JSON does not read back: %v", err)
		}
	})
}

// FuzzRecords folds any records in any order: each is two bytes of length and an encoded
// Record. What comes out is printable and reads back.
func FuzzRecords(f *testing.F) {
	add := func(to []byte, rec *bulkheadv1.Record) []byte {
		encoded, err := proto.Marshal(rec)
		if err != nil {
			f.Fatal(err)
		}
		return append(binary.BigEndian.AppendUint16(to, uint16(len(encoded))), encoded...)
	}
	begin := newStory(f, 1)
	begin.arrive("a", 1, 1, 4001, 0)
	begin.records[1].GetSessionOpened().GetHello().Workload = nil // a short seed is a good seed
	var seed []byte
	for _, rec := range begin.records {
		seed = add(seed, rec)
	}
	known := make(map[reflect.Type]bool)
	for _, rec := range battered(f) {
		if kind := reflect.TypeOf(rec.GetEntry()); !known[kind] {
			known[kind] = true
			f.Add(add(bytes.Clone(seed), rec))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		folder := NewFolder()
		records := uint64(0)
		for len(data) >= 2 {
			n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
			rec := new(bulkheadv1.Record)
			if proto.Unmarshal(data[2:2+n], rec) == nil {
				_ = folder.Add(rec) // remembered as a violation
				records++
			}
			data = data[2+n:]
		}
		r := folder.Report()
		if r.Journal.Records != records {
			t.Errorf("%d records of %d", r.Journal.Records, records)
		}
		text, encoded := render(t, r)
		checkPrintable(t, text)
		again := new(Report)
		if err := json.Unmarshal(encoded, again); err != nil {
			t.Fatalf("JSON does not read back: %v", err)
		}
		if _, twice := render(t, again); !bytes.Equal(encoded, twice) {
			t.Errorf("JSON that was read back is not the same:\n%s\n%s", encoded, twice)
		}
	})
}
