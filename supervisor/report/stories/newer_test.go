package stories

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A newer client's facts and values cost nothing of what is known: they are counted, or
// named by their number.
func TestWhatANewerClientSays(t *testing.T) {
	s := story.New(t, 1)
	a := s.At(time.Second).Arrive("a", 1, 1, 4001, 0)
	a.Start()
	tomorrow := &bulkheadv1.Message{Process: a.Process(story.KindConsumer, 0)}
	tomorrow.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType),
		"of tomorrow"))
	reader := a.Progress(0, 9, 0, "")
	reader.Process.Kind = 17
	verified := a.Rollover(0, 0, false)
	verified.GetRollover().Verification = 17
	beat := a.Heartbeat(1)
	beat.GetHeartbeat().Answers[0].State = 17
	beat.GetHeartbeat().Misses = append(beat.GetHeartbeat().Misses,
		&bulkheadv1.HeartbeatMiss{Process: &bulkheadv1.Process{Kind: 17, Pid: 9}, Reason: "no answer"})
	a.Say(tomorrow, reader, verified, beat,
		a.Corruption(0, &bulkheadv1.Corruption{Path: "/mnt/a", LengthBytes: 4096, Kind: 17}))
	a.Say(&bulkheadv1.Message{Process: a.Process(bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, 0),
		Fact: &bulkheadv1.Message_Stop{Stop: &bulkheadv1.Stop{
			Reason: 17,
			Exits: []*bulkheadv1.ProcessExit{
				{Process: a.Process(story.KindConsumer, 0), Class: 17, Cause: "of its own accord"}},
		}}})
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	rep := folded.All(t, s.Records)
	c := rep.Clients[0]
	if c.UnknownFacts != 2 || c.Malformed != 0 || c.Messages+c.UnknownFacts != c.LastSeq ||
		rep.Totals.UnknownFacts != 2 {
		t.Errorf("%d of %d messages, %d not known, %d malformed (%v)", c.Messages, c.LastSeq, c.UnknownFacts,
			c.Malformed, c.MalformedWhy)
	}
	if c.StopReason != "unknown (17)" {
		t.Errorf("it stopped for the reason %q", c.StopReason)
	}
	var json strings.Builder
	if err := rep.JSON(&json); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"verification": "unknown (17)"`, `"class": "unknown (17)"`,
		`"kind": "unknown (17)"`} {
		if !strings.Contains(json.String(), want) {
			t.Errorf("the report has no %s", want)
		}
	}
	if text := strings.Join(rep.Verdict.Warnings, "\n"); !strings.Contains(text,
		"2 facts of a newer client that this version does not know") {
		t.Errorf("the warnings are %q", text)
	}
}
