package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// What readers read is in the status, of the client and of all, and in the metrics; who reads nothing has
// none of it there.
func TestReadsInTheStatus(t *testing.T) {
	r := start(t, withHTTP)
	c, other := r.greet(rawclient.Hello("alpha"), 0), r.greet(rawclient.Hello("bravo"), 0)
	m := rawclient.Message(1)
	m.GetProgress().Reads, m.GetProgress().ReadBytes = 3, 24576
	m.GetProgress().Read = &bulkheadv1.Histogram{ValueDelta: []uint64{100_000, 700_000}, Count: []uint64{2, 1},
		Min: 100_000, Max: 800_000, Sum: 1_000_000}
	must(t, c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{
		Batch: &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{m}}}}))
	must(t, c.AwaitAck(1))
	r.deliver(other, 1, 1)
	var st *bulkheadv1.StatusResponse
	for deadline := time.Now().Add(patience); st.GetReadCalls().GetCount() == 0; st = r.status() { // after the ack
		if time.Now().After(deadline) {
			t.Fatal("no read has a latency")
		}
	}
	of := r.session("alpha")
	if of.GetReads() != 3 || of.GetReadBytes() != 24576 || of.GetReadCalls().GetCount() != 3 ||
		of.GetReadCalls().GetMaxNano() != 800_000 || of.GetReadCalls().GetRecentP99Nano() < 700_000 {
		t.Errorf("of the client: %v", of)
	}
	if total := st.GetTotals(); total.GetReads() != 3 || total.GetReadBytes() != 24576 {
		t.Errorf("of all: %v", total)
	}
	if of := r.session("bravo"); of.GetReads() != 0 || of.GetReadCalls() != nil {
		t.Errorf("of the other client: %v", of)
	}
	for deadline := time.Now().Add(patience); r.session("alpha").GetReadBytesPerSecond() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the reads have no rate")
		}
	}
	_, _, text := r.get("/api/status")
	if !strings.Contains(text, `"read_bytes"`) || !strings.Contains(text, `"read_calls"`) {
		t.Errorf("/api/status has no reads: %s", text)
	}
	_, _, text = r.get("/metrics")
	for _, want := range []string{`bulkhead_client_read_bytes_total{client="alpha"} 24576`,
		`bulkhead_client_reads_total{client="bravo"} 0`, `bulkhead_client_read_seconds_count{client="alpha"} 3`} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	if strings.Contains(text, `bulkhead_client_read_seconds_count{client="bravo"}`) {
		t.Error("the metrics have latencies of a client that reads nothing")
	}
	r.closeInOrder(c, 1)
	r.closeInOrder(other, 1)
}
