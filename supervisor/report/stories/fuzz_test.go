package stories

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// FuzzFold folds any bytes as a batch, twice: as they are, and, when they decode,
// renumbered so that their facts are reached. Its corpus is in testdata/fuzz.
func FuzzFold(f *testing.F) {
	a := story.New(f, 1).Arrive("fuzz", 1, 1, 4001, 0)
	p := a.Phased(0, 2, 1)
	p.VerifiedBytes, p.CorruptBlocks, p.Stage = 4096, 1, 2
	a.Say(a.StageBegun(0, 2, 1<<20), &bulkheadv1.Message{Process: a.Process(story.KindConsumer, 0),
		Fact: &bulkheadv1.Message_Progress{Progress: p}}, a.Corruption(0, story.Place(1)), a.Recycled(0, 1, 2))
	f.Add(a.Records[len(a.Records)-1].GetSessionBatch().GetBatch())
	f.Fuzz(func(t *testing.T, data []byte) {
		s := story.New(t, 1)
		a := s.ArriveStaged("fuzz", 1, 0, story.Steps())
		a.SayBytes(a.Seq+1, a.Seq+3, data)
		batch := new(bulkheadv1.Batch)
		if proto.Unmarshal(data, batch) == nil && len(batch.GetMessages()) > 0 {
			for i, m := range batch.GetMessages() {
				m.Seq = a.Seq + 1 + uint64(i)
			}
			encoded, err := proto.Marshal(batch)
			if err != nil {
				t.Fatal(err)
			}
			a.SayBytes(a.Seq+1, a.Seq+uint64(len(batch.GetMessages())), encoded)
		}
		r := folded.All(t, s.Records)
		c := &r.Clients[0]
		if c.Messages+c.Malformed != c.LastSeq {
			t.Errorf("%d messages and %d malformed of %d", c.Messages, c.Malformed, c.LastSeq)
		}
		text, encoded := rendered(t, r)
		checkPrintable(t, text)
		if err := json.Unmarshal(encoded, new(report.Report)); err != nil {
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
	begin := story.New(f, 1)
	begin.Arrive("a", 1, 1, 4001, 0)
	begin.Records[1].GetSessionOpened().GetHello().Workload = nil // a short seed is a good seed
	var seed []byte
	for _, rec := range begin.Records {
		seed = add(seed, rec)
	}
	known := make(map[reflect.Type]bool)
	for _, rec := range story.Battered(f) {
		if kind := reflect.TypeOf(rec.GetEntry()); !known[kind] {
			known[kind] = true
			f.Add(add(bytes.Clone(seed), rec))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		folder := fold.NewFolder()
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
		text, encoded := rendered(t, r)
		checkPrintable(t, text)
		again := new(report.Report)
		if err := json.Unmarshal(encoded, again); err != nil {
			t.Fatalf("JSON does not read back: %v", err)
		}
		if _, twice := rendered(t, again); !bytes.Equal(encoded, twice) {
			t.Errorf("JSON that was read back is not the same:\n%s\n%s", encoded, twice)
		}
	})
}
