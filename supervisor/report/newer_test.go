package report

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A newer client's facts and values cost nothing of what is known: they are counted, or
// named by their number.
func TestWhatANewerClientSays(t *testing.T) {
	s := newStory(t, 1)
	a := s.at(time.Second).arrive("a", 1, 1, 4001, 0)
	a.start()
	tomorrow := &bulkheadv1.Message{Process: a.process(kindConsumer, 0)}
	tomorrow.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), "of tomorrow"))
	reader := a.progress(0, 9, 0, "")
	reader.Process.Kind = 17
	verified := a.rollover(0, 0, false)
	verified.GetRollover().Verification = 17
	beat := a.heartbeat(1)
	beat.GetHeartbeat().Answers[0].State = 17
	beat.GetHeartbeat().Misses = append(beat.GetHeartbeat().Misses, &bulkheadv1.HeartbeatMiss{Process: &bulkheadv1.Process{Kind: 17, Pid: 9}, Reason: "no answer"})
	a.say(tomorrow, reader, verified, beat, a.corruption(0, &bulkheadv1.Corruption{Path: "/mnt/a", LengthBytes: 4096, Kind: 17}))
	a.say(&bulkheadv1.Message{Process: a.process(bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, 0), Fact: &bulkheadv1.Message_Stop{Stop: &bulkheadv1.Stop{
		Reason: 17, Exits: []*bulkheadv1.ProcessExit{{Process: a.process(kindConsumer, 0), Class: 17, Cause: "of its own accord"}},
	}}})
	a.end(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	rep := foldAll(t, s.records)
	c := rep.Clients[0]
	if c.UnknownFacts != 2 || c.Malformed != 0 || c.Messages+c.UnknownFacts != c.LastSeq || rep.Totals.UnknownFacts != 2 {
		t.Errorf("%d of %d messages, %d not known, %d malformed (%v)", c.Messages, c.LastSeq, c.UnknownFacts, c.Malformed, c.MalformedWhy)
	}
	if c.StopReason != "unknown (17)" {
		t.Errorf("it stopped for the reason %q", c.StopReason)
	}
	var json strings.Builder
	if err := rep.JSON(&json); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"verification": "unknown (17)"`, `"class": "unknown (17)"`, `"kind": "unknown (17)"`} {
		if !strings.Contains(json.String(), want) {
			t.Errorf("the report has no %s", want)
		}
	}
	if text := strings.Join(rep.Verdict.Warnings, "\n"); !strings.Contains(text, "2 facts of a newer client that this version does not know") {
		t.Errorf("the warnings are %q", text)
	}
}
