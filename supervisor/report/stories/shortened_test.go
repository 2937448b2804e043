package stories

import (
	"bytes"
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/render"
)

// readings folds the records of so many sessions as a journal is read: encoded, and each decoded, where
// it is shortened, without what the folder has no place for. It returns how many allocations decoding
// the record of each session took.
func readings(t *testing.T, sessions int, hello func(i int) *bulkheadv1.Hello, shortens bool) (*fold.Folder, []uint64) {
	t.Helper()
	f, took := fold.NewFolder(), make([]uint64, sessions+1)
	greetings(sessions, hello, func(r *bulkheadv1.Record) {
		data, err := proto.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if shortens {
			data = f.Shorten(data)
		}
		read := new(bulkheadv1.Record)
		if err := proto.Unmarshal(data, read); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if err := f.Add(read); err != nil {
			t.Fatal(err)
		}
		took[r.GetSessionOpened().GetSession()] = after.Mallocs - before.Mallocs
	})
	return f, took
}

// Of Hellos with as much in them as can be, what has no place in the report is not decoded: each
// further one of a crowd costs a small part of what the first did, and the less the more there are.
func TestWhatHasNoPlaceIsNotDecoded(t *testing.T) {
	const sessions = 140
	_, took := readings(t, sessions, manySizesHello(t), true)
	whole, later := took[1], took[sessions]
	if least := uint64(protocol.MaxConsumers * protocol.MaxChunkSizes); whole < least {
		t.Fatalf("decoding the first takes %d allocations, and it has %d chunk sizes", whole, least)
	}
	t.Logf("decoding takes %d allocations for the first, %d for the middle one, %d for the last", whole,
		took[sessions/2], later)
	if later > whole/3 {
		t.Errorf("decoding the last of %d takes %d allocations, and the first %d", sessions, later, whole)
	}
}

// A report is the same whether what has no place in it was decoded or not.
func TestAReportOfShortenedRecordsIsTheSame(t *testing.T) {
	for name, hello := range map[string]func(i int) *bulkheadv1.Hello{
		"paths": largestHello(t), "sizes": manySizesHello(t), "consumers": manyConsumersHello(t),
	} {
		t.Run(name, func(t *testing.T) {
			const sessions = 90
			mixed := func(i int) *bulkheadv1.Hello {
				if i%4 == 3 {
					h := smallestHello(i)
					h.Workload = &bulkheadv1.Workload{Consumers: []*bulkheadv1.ConsumerSpec{{Path: "/a"}, {Index: 1}}}
					return h
				}
				return hello(i)
			}
			var reports [2]bytes.Buffer
			for i, shortens := range []bool{false, true} {
				f, _ := readings(t, sessions, mixed, shortens)
				r := f.Report()
				for _, form := range render.Formats() {
					if form.Form == render.FormJSON {
						if err := form.Write(r, &reports[i], nil); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			if reports[0].Len() == 0 || !bytes.Equal(reports[0].Bytes(), reports[1].Bytes()) {
				t.Errorf("the report has %d bytes, and another %d if its records are shortened", reports[0].Len(),
					reports[1].Len())
			}
		})
	}
}
