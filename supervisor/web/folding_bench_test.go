package web

import (
	"log/slog"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// BenchmarkFolding measures what the report so far costs for each message, all Progress with
// histograms, and for each report that is made of 50 clients.
func BenchmarkFolding(b *testing.B) {
	const batch, clients, perClient = 128, 50, 40 // batches
	dir := filepath.Join(b.TempDir(), "journal")
	j, err := journal.Create(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		b.Fatal(err)
	}
	add := func(r *bulkheadv1.Record) {
		if err := j.Append(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	add(&bulkheadv1.Record{TimeUnixNano: 1,
		Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: "R"}}})
	for c := range uint32(clients) {
		add(&bulkheadv1.Record{TimeUnixNano: 1,
			Entry: &bulkheadv1.Record_SessionOpened{
				SessionOpened: &bulkheadv1.SessionOpened{Session: c + 1, Hello: rawclient.Hello("c")}}})
		for i := range uint64(perClient) {
			first, last := i*batch+1, (i+1)*batch
			data, err := proto.Marshal(rawclient.Batch(first, last))
			if err != nil {
				b.Fatal(err)
			}
			add(&bulkheadv1.Record{TimeUnixNano: 1,
				Entry: &bulkheadv1.Record_SessionBatch{
					SessionBatch: &bulkheadv1.SessionBatch{Session: c + 1, FirstSeq: first, LastSeq: last,
						Batch: data}}})
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	source := &scripted{journal: dir}
	const messages = batch * clients * perClient
	b.Run("fold", func(b *testing.B) {
		for b.Loop() {
			f := newFolding(source, slog.New(slog.DiscardHandler))
			for f.fold(); f.behind; {
				f.fold()
			}
			f.leave()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/messages, "ns/message")
	})
	b.Run("report", func(b *testing.B) {
		f := newFolding(source, slog.New(slog.DiscardHandler))
		defer f.leave()
		for f.fold(); f.behind; {
			f.fold()
		}
		for b.Loop() {
			f.last = [forms]built{} // or it would be made once
			if r := f.report(asJSON); r.err != nil {
				b.Fatal(r.err)
			}
		}
	})
}
