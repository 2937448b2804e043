package raw

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func encode(t testing.TB, b *bulkheadv1.Batch) []byte {
	t.Helper()
	data, err := proto.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestScan(t *testing.T) {
	mixed := rawclient.Batch(5, 7)
	mixed.Messages[1].Fact = &bulkheadv1.Message_Heartbeat{Heartbeat: &bulkheadv1.Heartbeat{Round: 3}}
	mixed.Messages[2].GetProgress().Errors = 2
	beating := rawclient.Batch(5, 6)
	beating.Messages[0].Fact = &bulkheadv1.Message_Heartbeat{Heartbeat: &bulkheadv1.Heartbeat{Round: 1,
		Answers: []*bulkheadv1.HeartbeatAnswer{
			{State: bulkheadv1.WorkerState_WORKER_STATE_WORKING},
			{State: bulkheadv1.WorkerState_WORKER_STATE_STALLED, Late: true},
		},
		Misses: []*bulkheadv1.HeartbeatMiss{{Reason: "gone"}},
	}}
	beating.Messages[1].Fact = &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{}}
	round := Beats{Answered: 1, Late: 1, Missed: 1, Stalled: 1}
	staged := rawclient.Batch(5, 8)
	staged.Messages[0].Fact = &bulkheadv1.Message_StageBegun{StageBegun: &bulkheadv1.StageBegun{Stage: 3}}
	tooMany := &bulkheadv1.StageBegun{Stage: 65}
	staged.Messages[1].Fact = &bulkheadv1.Message_StageBegun{StageBegun: tooMany}
	staged.Messages[2].Fact = &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{Stage: 2}}
	staged.Messages[3].Fact = &bulkheadv1.Message_StageBegun{StageBegun: &bulkheadv1.StageBegun{}}
	gap := rawclient.Batch(5, 7)
	gap.Messages[1].Seq = 9
	for _, tt := range []struct {
		name        string
		batch       []byte
		first, last uint64
		want        Counted
		err         string
	}{
		{"a mixture", encode(t, mixed), 5, 7,
			Counted{Messages: 3, Bytes: 2 * 64 << 20, Chunks: 128, Errors: 2, Rounds: 1, Timed: true}, ""},
		{"a round and a file", encode(t, beating), 5, 6,
			Counted{Messages: 2, Rollovers: 1, Rounds: 1, Beats: round, LastRound: round}, ""},
		{"stages", encode(t, staged), 5, 8, Counted{Messages: 4, Stage: 3}, ""},
		{"a gap", encode(t, gap), 5, 7, Counted{}, "message 9 where 6 should be"},
		{"too few", encode(t, rawclient.Batch(5, 6)), 5, 7, Counted{}, "holds 2 messages"},
		{"too many", encode(t, rawclient.Batch(5, 8)), 5, 7, Counted{}, "more than messages 5 to 7"},
		{"none", nil, 5, 7, Counted{}, "holds 0 messages"},
		{"garbage", []byte{0xff, 0xff, 0xff}, 5, 7, Counted{}, "does not decode"},
		{"a message of garbage", []byte{0x0a, 0x02, 0xff, 0xff}, 1, 1, Counted{}, "does not decode"},
	} {
		got, err := Scan(tt.batch, tt.first, tt.last)
		switch {
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%s: scan = %+v, %v; want %+v", tt.name, got, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: scan = %v; want an error with %q", tt.name, err, tt.err)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	data := encode(t, rawclient.Batch(1, 128))
	if n := testing.AllocsPerRun(100, func() { _, _ = Scan(data, 1, 128) }); n > 4 { // closures, not per message
		t.Errorf("scan of 128 messages allocates %v times", n)
	}
}

// FuzzScan: what scan accepts holds the messages it says, by the decoder's word.
func FuzzScan(f *testing.F) {
	f.Add(encode(f, rawclient.Batch(1, 3)))
	f.Add([]byte{0x0a, 0x02, 0x08, 0x01})
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		var b bulkheadv1.Batch
		if proto.Unmarshal(data, &b) != nil || len(b.GetMessages()) == 0 {
			return
		}
		first := b.GetMessages()[0].GetSeq()
		last := first + uint64(len(b.GetMessages())) - 1
		c, err := Scan(data, first, last)
		if err != nil {
			return
		}
		if c.Messages != uint64(len(b.GetMessages())) {
			t.Fatalf("scan counts %d messages; there are %d", c.Messages, len(b.GetMessages()))
		}
		for i, m := range b.GetMessages() {
			if m.GetSeq() != first+uint64(i) {
				t.Fatalf("scan accepts message %d as %d", m.GetSeq(), first+uint64(i))
			}
		}
	})
}
