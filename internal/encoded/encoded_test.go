package encoded

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestNumbers compares the numbers with those of the fields that are meant.
func TestNumbers(t *testing.T) {
	for _, row := range []struct {
		of   proto.Message
		name protoreflect.Name
		is   protowire.Number
	}{
		{&bulkheadv1.ClientFrame{}, "batch", ClientFrameBatch},
		{&bulkheadv1.HandlerFrame{}, "hello", HandlerFrameHello},
		{&bulkheadv1.Record{}, "session_opened", RecordSessionOpened},
		{&bulkheadv1.SessionOpened{}, "hello", OpenedHello},
		{&bulkheadv1.Hello{}, "labels", HelloLabels},
		{&bulkheadv1.Hello{}, "workload", HelloWorkload},
		{&bulkheadv1.Workload{}, "consumers", WorkloadConsumers},
		{&bulkheadv1.Workload{}, "stages", WorkloadStages},
		{&bulkheadv1.Message{}, "stage_begun", MessageStageBegun},
		{&bulkheadv1.StageBegun{}, "stage", StageBegunStage},
		{&bulkheadv1.Message{}, "stage_ready", MessageStageReady},
		{&bulkheadv1.StageReady{}, "stage", StageReadyStage},
		{&bulkheadv1.Progress{}, "stage", ProgressStage},
		{&bulkheadv1.ConsumerSpec{}, "start_delay_nano", ConsumerStartDelay},
		{&bulkheadv1.ConsumerSpec{}, "chunk_sizes", ConsumerChunkSizes},
		{&bulkheadv1.Batch{}, "messages", BatchMessages},
		{&bulkheadv1.Message{}, "seq", MessageSeq},
		{&bulkheadv1.Message{}, "stop", MessageStop},
		{&bulkheadv1.Message{}, "heartbeat", MessageHeartbeat},
		{&bulkheadv1.Message{}, "rollover", MessageRollover},
		{&bulkheadv1.Message{}, "progress", MessageProgress},
		{&bulkheadv1.Progress{}, "bytes", ProgressBytes},
		{&bulkheadv1.Progress{}, "chunks", ProgressChunks},
		{&bulkheadv1.Progress{}, "errors", ProgressErrors},
		{&bulkheadv1.Progress{}, "chunk_write", ProgressChunkWrite},
		{&bulkheadv1.Progress{}, "read_bytes", ProgressReadBytes},
		{&bulkheadv1.Progress{}, "reads", ProgressReads},
		{&bulkheadv1.Progress{}, "read", ProgressRead},
		{&bulkheadv1.Heartbeat{}, "answers", HeartbeatAnswers},
		{&bulkheadv1.Heartbeat{}, "misses", HeartbeatMisses},
		{&bulkheadv1.HeartbeatAnswer{}, "state", AnswerState},
		{&bulkheadv1.HeartbeatAnswer{}, "late", AnswerLate},
		{&bulkheadv1.Histogram{}, "value_delta", HistogramValueDelta},
		{&bulkheadv1.Histogram{}, "count", HistogramCount},
		{&bulkheadv1.Histogram{}, "max", HistogramMax},
		{&bulkheadv1.Histogram{}, "sum", HistogramSum},
	} {
		of := row.of.ProtoReflect().Descriptor()
		if field := of.Fields().ByName(row.name); field == nil || field.Number() != row.is {
			t.Errorf("%s.%s is looked for as field %d", of.Name(), row.name, row.is)
		}
	}
}

func batch(t *testing.T, numbers ...uint64) []byte {
	t.Helper()
	b := new(bulkheadv1.Batch)
	for _, n := range numbers {
		b.Messages = append(b.Messages, &bulkheadv1.Message{Seq: n})
	}
	data, err := proto.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRange(t *testing.T) {
	const most = ^uint64(0)
	for _, row := range []struct {
		name        string
		batch       []byte
		first, last uint64
		err         string
	}{
		{"exactly these", batch(t, 5, 6, 7), 5, 7, ""},
		{"something else between", append(batch(t, 5, 6), append([]byte{0x78, 0x01}, batch(t, 7)...)...), 5, 7, ""},
		{"the last numbers there are", batch(t, most-1, most), most - 1, most, ""},
		{"a gap", batch(t, 5, 7), 5, 6, "message 7 where 6 should be"},
		{"too few", batch(t, 5), 5, 6, "holds 1 messages, not 5 to 6"},
		{"none", nil, 5, 5, "holds 0 messages"},
		{"none of all that there are", nil, 0, most, "holds 0 messages"},
		{"too many", batch(t, 5, 6, 7), 5, 6, "more than messages 5 to 6"},
		{"garbage", []byte{0xff, 0xff}, 5, 5, "does not decode"},
		{"a message that is cut off", []byte{0x0a, 0x05, 0x08}, 5, 5, "does not decode"},
		{"a message of garbage", []byte{0x0a, 0x01, 0xff}, 5, 5, "does not decode"},
	} {
		err := Range(row.batch, row.first, row.last, func(message []byte) (seq uint64, err error) {
			err = Fields(message, func(n protowire.Number, v uint64, _ []byte) error {
				if n == MessageSeq {
					seq = v
				}
				return nil
			})
			return seq, err
		})
		switch {
		case row.err == "" && err != nil:
			t.Errorf("%s: %v", row.name, err)
		case row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)):
			t.Errorf("%s: error %v; want one with %q", row.name, err, row.err)
		}
	}
}
