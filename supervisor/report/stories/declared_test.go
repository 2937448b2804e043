package stories

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/render"
)

// greet returns a report of so many sessions, each with a Hello.
func greet(t *testing.T, sessions int, hello func(i int) *bulkheadv1.Hello) *report.Report {
	t.Helper()
	f := fold.NewFolder()
	greetings(sessions, hello, func(r *bulkheadv1.Record) {
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
	})
	return f.Report()
}

// greetings makes the records of so many sessions, each with a Hello.
func greetings(sessions int, hello func(i int) *bulkheadv1.Hello, add func(*bulkheadv1.Record)) {
	add(&bulkheadv1.Record{TimeUnixNano: 1, Entry: &bulkheadv1.Record_RunStarted{
		RunStarted: &bulkheadv1.RunStarted{RunId: "run"}}})
	for i := range sessions {
		add(&bulkheadv1.Record{TimeUnixNano: 1, Entry: &bulkheadv1.Record_SessionOpened{
			SessionOpened: &bulkheadv1.SessionOpened{Session: uint32(i + 1), SessionId: fmt.Sprintf("s%d", i+1),
				Hello: hello(i)}}})
	}
}

// manySizesHello has as many chunk sizes as a frame has room for.
func manySizesHello(t testing.TB) func(i int) *bulkheadv1.Hello {
	work := new(bulkheadv1.Workload)
	for i := range protocol.MaxConsumers {
		c := &bulkheadv1.ConsumerSpec{Index: uint32(i), Path: "/a"}
		for j := range protocol.MaxChunkSizes {
			c.ChunkSizes = append(c.ChunkSizes, &bulkheadv1.WeightedSize{SizeBytes: 1<<40 + uint64(j), Weight: 1 << 28})
		}
		work.Consumers = append(work.Consumers, c)
	}
	hello := func(i int) *bulkheadv1.Hello {
		h := smallestHello(i)
		h.Workload = work
		return h
	}
	if size := proto.Size(hello(0)); size > protocol.DefaultFrameBytes || size < protocol.DefaultFrameBytes*9/10 {
		t.Fatalf("the Hello has %d bytes", size)
	}
	return hello
}

// manyConsumersHello has as many consumers as there may be, in two bytes each.
func manyConsumersHello(testing.TB) func(i int) *bulkheadv1.Hello {
	work := new(bulkheadv1.Workload)
	for range protocol.MaxConsumers {
		work.Consumers = append(work.Consumers, new(bulkheadv1.ConsumerSpec))
	}
	return func(i int) *bulkheadv1.Hello {
		h := smallestHello(i)
		h.Workload = work
		return h
	}
}

// manyStagesHello has as many stages as there may be, with names of its client's own.
func manyStagesHello(testing.TB) func(i int) *bulkheadv1.Hello {
	return func(i int) *bulkheadv1.Hello {
		h := smallestHello(i)
		h.Workload = new(bulkheadv1.Workload)
		for k := range protocol.MaxStages {
			name := fmt.Sprintf("%d of %d ", k, i)
			h.Workload.Stages = append(h.Workload.Stages, &bulkheadv1.Stage{
				Name:         name + strings.Repeat("<", protocol.MaxStageNameBytes-len(name)),
				DurationNano: 1<<40 + 1, TotalBytes: 1<<50 + 1, RateChunksPerSecond: 1e9 / 7, RatePercent: 100. / 7,
				RateOf: uint32(k), Concurrency: 1 << 10, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES,
				SyncBytes: 1<<40 + 1, PauseNano: 1<<40 + 1, Together: true})
		}
		return h
	}
}

func smallestHello(i int) *bulkheadv1.Hello {
	return &bulkheadv1.Hello{Name: fmt.Sprintf("c%d", i), ClientId: fmt.Appendf(nil, "%016d", i)}
}

// largestHello is as large as the frame that a client may send by default, and larger in a page.
func largestHello(t testing.TB) func(i int) *bulkheadv1.Hello {
	t.Helper()
	labels := make(map[string]string)
	for i := range protocol.MaxLabels {
		labels[fmt.Sprintf("%0*d", protocol.MaxLabelBytes, i)] = strings.Repeat("<", protocol.MaxLabelBytes)
	}
	work := new(bulkheadv1.Workload)
	for i := range protocol.MaxConsumers {
		work.Consumers = append(work.Consumers, &bulkheadv1.ConsumerSpec{Index: uint32(i),
			Path: fmt.Sprintf("/%d/%s", i, strings.Repeat("<", 980)), ChunkSizeBytes: 1 << 20, FileSizeBytes: 1 << 30})
	}
	hello := func(i int) *bulkheadv1.Hello {
		h := smallestHello(i)
		h.Labels, h.Workload = labels, work
		return h
	}
	if size := proto.Size(hello(0)); size > protocol.DefaultFrameBytes || size < protocol.DefaultFrameBytes*9/10 {
		t.Fatalf("the Hello has %d bytes", size)
	}
	return hello
}

// What clients declare takes no more of a report than there is room for, in any format, however many
// of them send as much as they may. A client that declares little is not cut for it, and what is left
// out of the others is counted.
func TestWhatClientsDeclareIsBounded(t *testing.T) {
	const sessions = 150
	largest := largestHello(t)
	full := greet(t, sessions, func(i int) *bulkheadv1.Hello {
		if i == sessions/2 {
			h := smallestHello(i)
			h.Labels = map[string]string{"rack": "7"}
			h.Workload = &bulkheadv1.Workload{RuntimeNano: 1e9,
				Consumers: []*bulkheadv1.ConsumerSpec{{Path: "/a"}, {Index: 1, Path: "/b"}}}
			return h
		}
		return largest(i)
	})
	empty := greet(t, sessions, smallestHello)
	for i := range full.Clients {
		c := &full.Clients[i]
		labels, consumers := uint64(protocol.MaxLabels), uint64(protocol.MaxConsumers)
		if i == sessions/2 {
			labels, consumers = 1, 2
			if c.LabelsLeftOut+c.Workload.ConsumersLeftOut > 0 {
				t.Errorf("of the small client, %d labels and %d consumers are left out", c.LabelsLeftOut,
					c.Workload.ConsumersLeftOut)
			}
		}
		if n := uint64(len(c.Labels)) + c.LabelsLeftOut; n != labels || c.Workload.Declared() != consumers {
			t.Fatalf("client %d has %d labels and %d consumers, with those left out; want %d and %d", i, n,
				c.Workload.Declared(), labels, consumers)
		}
	}
	for _, f := range render.Formats() {
		limit := report.MaxDeclaredBytes
		if f.Form == render.FormHTML {
			limit = 8 << 20
		}
		limit += sessions * 200 // where it says what is left out
		with, without := lengthOf(t, f, full), lengthOf(t, f, empty)
		t.Logf("%s: %d bytes with the largest Hellos, %d with the smallest", f.Form, with, without)
		if with-without > limit {
			t.Errorf("%s: the largest Hellos of %d clients add %d bytes; want at most %d", f.Form, sessions,
				with-without, limit)
		}
	}
	var text bytes.Buffer
	if err := render.Text(full, &text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), " of them left out here") {
		t.Error("the text does not say that consumers are left out")
	}
}

// A client whose load has as many stages as there may be, none of which it came to, has a bounded line.
func TestStagesThatClientsNeverCameToAreBounded(t *testing.T) {
	const sessions = 150
	full, empty := greet(t, sessions, manyStagesHello(t)), greet(t, sessions, smallestHello)
	for _, w := range full.Verdict.Warnings {
		if len(w) > 512 {
			t.Fatalf("a warning has %d bytes: %s", len(w), w)
		}
	}
	for _, f := range render.Formats() {
		limit := report.MaxDeclaredBytes
		if f.Form == render.FormHTML {
			limit = 8 << 20
		}
		limit += sessions * 8192 // a few lines of each
		with, without := lengthOf(t, f, full), lengthOf(t, f, empty)
		t.Logf("%s: %d bytes with the most stages, %d without", f.Form, with, without)
		if with-without > limit {
			t.Errorf("%s: the stages of %d clients add %d bytes; want at most %d", f.Form, sessions,
				with-without, limit)
		}
	}
}

// Of a crowd that declares as much as it may, each further client costs little, in time, memory and
// every format: its consumers that have no place in the report are not even looked at.
func TestEachOfManyLargestHellosCostsLittle(t *testing.T) {
	const step, steps = 100, 3
	f := fold.NewFolder()
	var made, held [steps + 1]uint64 // allocations, and bytes in use, after so many steps
	look := func(i int) {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		made[i], held[i] = stats.Mallocs, stats.HeapAlloc
	}
	sessions, largest := 0, largestHello(t)
	look(0)
	greetings(steps*step, largest, func(r *bulkheadv1.Record) {
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
		sessions = int(r.GetSessionOpened().GetSession())
		if sessions%step == 0 {
			look(sessions / step)
		}
	})
	for i := 2; i <= steps; i++ {
		if n := (made[i] - made[i-1]) / step; n > protocol.MaxConsumers {
			t.Errorf("from %d sessions to %d each costs %d allocations; want less than one for each of its %d "+
				"consumers", (i-1)*step, i*step, n, protocol.MaxConsumers)
		}
		if n := int64(held[i]) - int64(held[0]); n > 2*report.MaxDeclaredBytes+int64(i*step)*16<<10 {
			t.Errorf("%d sessions keep %d bytes", i*step, n)
		}
	}
	whole := f.Report()
	for _, format := range render.Formats() {
		limit := report.MaxDeclaredBytes
		if format.Form == render.FormHTML {
			limit = 8 << 20
		}
		if n := lengthOf(t, format, whole); n > limit+steps*step*4<<10 {
			t.Errorf("%s: %d bytes of %d sessions", format.Form, n, steps*step)
		}
	}
}

// What is left out of what clients declare depends neither on the order in which they come nor on
// whether somebody looked at the report before the end.
func TestWhatClientsDeclareIsCutAlikeInAnyOrder(t *testing.T) {
	const sessions = 4000 // a share is a few consumers
	random := rand.New(rand.NewPCG(7, 11))
	hellos := make([]*bulkheadv1.Hello, sessions)
	for i := range hellos {
		hellos[i] = smallestHello(i)
		hellos[i].Workload = new(bulkheadv1.Workload)
		for j := range random.IntN(30) {
			hellos[i].Workload.Consumers = append(hellos[i].Workload.Consumers, &bulkheadv1.ConsumerSpec{
				Index: uint32(j), Path: strings.Repeat("<", 1+random.IntN(900))})
		}
	}
	left := func(order []int, looking bool) map[string]uint64 {
		f := fold.NewFolder()
		greetings(sessions, func(i int) *bulkheadv1.Hello { return hellos[order[i]] }, func(r *bulkheadv1.Record) {
			if err := f.Add(r); err != nil {
				t.Fatal(err)
			}
			if looking && r.GetSessionOpened().GetSession()%1000 == 900 {
				f.SoFar()
			}
		})
		out := make(map[string]uint64)
		for _, c := range f.Report().Clients {
			out[c.Name] = c.Workload.ConsumersLeftOut
		}
		return out
	}
	inOrder := make([]int, sessions)
	for i := range inOrder {
		inOrder[i] = i
	}
	want := left(inOrder, false)
	if total := slices.Max(slices.Collect(maps.Values(want))); total == 0 {
		t.Fatal("nothing is left out")
	}
	if got := left(inOrder, true); !maps.Equal(got, want) {
		t.Error("something else is left out of a report that was looked at before its end")
	}
	for range 2 {
		if got := left(random.Perm(sessions), false); !maps.Equal(got, want) {
			t.Error("something else is left out if the clients come in another order")
		}
	}
}

// lengthOf returns how long a report is in a format.
func lengthOf(t testing.TB, f render.Format, r *report.Report) int {
	t.Helper()
	var n count
	if err := f.Write(r, &n, nil); err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// count counts what is written to it.
type count int

func (n *count) Write(p []byte) (int, error) {
	*n += count(len(p))
	return len(p), nil
}
