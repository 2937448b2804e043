package encoded

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// opened returns an encoded Record of a client with consumers that write to these paths.
func opened(t testing.TB, paths ...string) []byte {
	t.Helper()
	work := &bulkheadv1.Workload{RuntimeNano: 7, RampNano: 9}
	for i, path := range paths {
		work.Consumers = append(work.Consumers, &bulkheadv1.ConsumerSpec{Index: uint32(i), Path: path})
	}
	data, err := proto.Marshal(&bulkheadv1.Record{TimeUnixNano: 3, Entry: &bulkheadv1.Record_SessionOpened{
		SessionOpened: &bulkheadv1.SessionOpened{Session: 4, SessionId: "s4", Hello: &bulkheadv1.Hello{
			Name: "alpha", Labels: map[string]string{"rack": "7"}, Workload: work, Pid: 11}}}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decoded(t testing.TB, data []byte) *bulkheadv1.Record {
	t.Helper()
	r := new(bulkheadv1.Record)
	if err := proto.Unmarshal(data, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Consumers that nobody wants are there, and empty; everything else is as it was.
func TestEmptyConsumers(t *testing.T) {
	whole := opened(t, "/a", "/b", "/c")
	was := bytes.Clone(whole)
	asked := 0
	got := decoded(t, EmptyConsumers(whole, func([]byte) bool { asked++; return asked < 3 }))
	want := decoded(t, was)
	want.GetSessionOpened().GetHello().GetWorkload().GetConsumers()[2] = new(bulkheadv1.ConsumerSpec)
	if !proto.Equal(got, want) || asked != 3 || !bytes.Equal(whole, was) {
		t.Errorf("it is %v after %d questions, changed: %v; want %v", got, asked, !bytes.Equal(whole, was), want)
	}
}

// FuzzEmptyConsumers: what decodes does so without its consumers, and is the same but for these. What
// cannot be taken apart stays as it is.
func FuzzEmptyConsumers(f *testing.F) {
	whole := opened(f, "/a", "/b")
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append(bytes.Clone(whole), whole...))
	f.Add([]byte{0x1a, 0x80})
	f.Fuzz(func(t *testing.T, record []byte) {
		want := new(bulkheadv1.Record)
		if proto.Unmarshal(record, want) != nil {
			EmptyConsumers(record, func([]byte) bool { return false })
			return
		}
		list := want.GetSessionOpened().GetHello().GetWorkload().GetConsumers()
		for i := range list {
			list[i] = new(bulkheadv1.ConsumerSpec)
		}
		got := new(bulkheadv1.Record)
		if err := proto.Unmarshal(EmptyConsumers(record, func([]byte) bool { return false }), got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, want) {
			t.Errorf("it is %v; want %v", got, want)
		}
	})
}
