package downlink_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/downlink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func welcome(after uint64) *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{
		Frame: &bulkheadv1.SupervisorFrame_Welcome{Welcome: &bulkheadv1.Welcome{ResumeAfter: after}}}
}

func ack(seq uint64) *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Ack{Ack: &bulkheadv1.Ack{Seq: seq}}}
}

func drain(reason string) *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{
		Frame: &bulkheadv1.SupervisorFrame_Drain{Drain: &bulkheadv1.Drain{Reason: reason}}}
}

func finish(text string) *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{
		Frame: &bulkheadv1.SupervisorFrame_Finish{Finish: &bulkheadv1.Finish{Text: text}}}
}

func TestQueueMergesAndOrders(t *testing.T) {
	type frames = []*bulkheadv1.SupervisorFrame
	open := &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Open{Open: &bulkheadv1.Open{}}}
	for _, tt := range []struct {
		name      string
		put, want frames
	}{
		{"acks merge to the newest", frames{ack(1), ack(5), ack(3)}, frames{ack(5)}},
		{"order of kinds", frames{finish("f"), drain("d"), ack(1), welcome(0)},
			frames{welcome(0), ack(1), drain("d"), finish("f")}},
		{"a second drain replaces the first", frames{drain("a"), drain("b")}, frames{drain("b")}},
		{"nothing follows a finish", frames{finish("f")}, frames{finish("f")}},
		{"open and empty frames are dropped", frames{open, {}, ack(1)}, frames{ack(1)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := downlink.New()
			for _, f := range tt.put {
				q.Put(f)
			}
			for _, want := range tt.want {
				if got := q.Take(); !proto.Equal(got, want) {
					t.Errorf("Take = %v; want %v", got, want)
				}
			}
			if got := q.Take(); got != nil {
				t.Errorf("Take of an empty queue = %v; want nil", got)
			}
		})
	}
}

func TestNothingFollowsAFinish(t *testing.T) {
	q := downlink.New()
	q.Put(finish("f"))
	q.Take()
	q.Put(ack(9))
	if got := q.Take(); got != nil {
		t.Errorf("Take after Finish = %v; want nil", got)
	}
}

func TestReadyTellsOfAPut(t *testing.T) {
	q := downlink.New()
	got := make(chan *bulkheadv1.SupervisorFrame)
	go func() {
		<-q.Ready()
		got <- q.Take()
	}()
	q.Put(ack(7))
	if f := <-got; f.GetAck().GetSeq() != 7 {
		t.Errorf("Take = %v; want ack 7", f)
	}
	q.Put(ack(8))
	q.Put(ack(9))
	<-q.Ready()
	select {
	case <-q.Ready():
		t.Error("two frames put before anybody looked have two tokens")
	default:
	}
}
