package handler

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// warm does once what the first client would wait for: package protobuf prepares
// each message type at its first use.
func warm() error {
	fact := &bulkheadv1.Message{Seq: 1, Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT}}
	batch := &bulkheadv1.Batch{}
	for _, f := range []func(){
		func() {
			fact.Fact = &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{Consumer: &bulkheadv1.ConsumerSpec{Index: 1}}}
		},
		func() {
			fact.Fact = &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{ChunkWrite: &bulkheadv1.Histogram{Max: 1}}}
		},
		func() {
			fact.Fact = &bulkheadv1.Message_Heartbeat{Heartbeat: &bulkheadv1.Heartbeat{Answers: []*bulkheadv1.HeartbeatAnswer{{LatencyNano: 1}}}}
		},
	} {
		f()
		batch.Messages = append(batch.Messages, proto.CloneOf(fact))
	}
	for _, m := range []proto.Message{
		&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: &bulkheadv1.Hello{Name: "warm", Workload: &bulkheadv1.Workload{RuntimeNano: 1}}}},
		&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: batch}},
		&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Welcome{Welcome: &bulkheadv1.Welcome{Limits: &bulkheadv1.Limits{MaxFrameBytes: 1}}}},
		&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Ack{Ack: &bulkheadv1.Ack{Seq: 1}}},
		&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Open{Open: &bulkheadv1.Open{ConnectionId: 1}}},
		&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Batch{Batch: &bulkheadv1.SealedBatch{FirstSeq: 1}}},
	} {
		data, err := proto.Marshal(m)
		if err == nil {
			err = proto.Unmarshal(data, m.ProtoReflect().New().Interface())
		}
		if err != nil {
			return fmt.Errorf("preparing %T: %w", m, err)
		}
	}
	return nil
}
