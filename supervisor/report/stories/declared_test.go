package stories

import (
	"bytes"
	"fmt"
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
	add := func(r *bulkheadv1.Record) {
		r.TimeUnixNano = 1
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: "run"}}})
	for i := range sessions {
		add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionOpened{SessionOpened: &bulkheadv1.SessionOpened{
			Session: uint32(i + 1), SessionId: fmt.Sprintf("s%d", i+1), Hello: hello(i)}}})
	}
	return f.Report()
}

func smallestHello(i int) *bulkheadv1.Hello {
	return &bulkheadv1.Hello{Name: fmt.Sprintf("c%d", i), ClientId: fmt.Appendf(nil, "%016d", i)}
}

// largestHello is as large as the frame that a client may send by default, and larger in a page.
func largestHello(t *testing.T) func(i int) *bulkheadv1.Hello {
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

// lengthOf returns how long a report is in a format.
func lengthOf(t *testing.T, f render.Format, r *report.Report) int {
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
