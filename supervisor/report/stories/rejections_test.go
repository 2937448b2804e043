package stories

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	"bulkhead/supervisor/report"
)

// A port scan takes one line, and hides no named client and no other reason.
func TestRejectionsAreGrouped(t *testing.T) {
	const mute = "client closed the connection without a byte"
	s := story.New(t, 0)
	s.At(time.Second).Rejected(1, 1, "192.0.2.1:1000", "delta", "wrong token")
	s.Rejected(2, 2, "192.0.2.2:1000", "", "not HTTP/2")
	for i := range uint64(3 * report.MaxRejections) {
		s.At(2*time.Second + time.Duration(i)*time.Millisecond)
		s.Rejected(3+i, 3, fmt.Sprintf("[2001:db8::%d]:%d", i%3, 1000+i%5000), "", mute)
	}
	s.At(time.Minute).Rejected(1<<40, 1, "192.0.2.7:1001", "delta", "wrong token")
	s.Rejected(1<<40+1, 1, "192.0.2.7:1002", "delta", "a token is required")
	r := folded.All(t, s.Records)
	at := func(d time.Duration) report.Stamp { return report.Stamp(story.RunStart.Add(d).UnixNano()) }
	want := []report.RejectionGroup{
		{ClientName: "delta", Reason: "wrong token", Count: 2, Addresses: 2, LastPeer: "192.0.2.7:1001",
			FirstAt: at(time.Second), LastAt: at(time.Minute)},
		{ClientName: "delta", Reason: "a token is required", Count: 1, Addresses: 1, LastPeer: "192.0.2.7:1002",
			FirstAt: at(time.Minute), LastAt: at(time.Minute)},
		{ClientName: "", Reason: "not HTTP/2", Count: 1, Addresses: 1, LastPeer: "192.0.2.2:1000",
			FirstAt: at(time.Second), LastAt: at(time.Second)},
		{ClientName: "", Reason: mute, Count: 3 * report.MaxRejections, Addresses: 3, LastPeer: "[2001:db8::2]:5999",
			FirstAt: at(2 * time.Second), LastAt: at(2*time.Second + (3*report.MaxRejections-1)*time.Millisecond)},
	}
	if diff := cmp.Diff(want, r.RejectionGroups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	text, _ := rendered(t, r)
	words := strings.Join(strings.Fields(string(text)), " ")
	for _, line := range []string{
		"2 14:02:11.120 14:03:10.120 2 addresses delta wrong token",
		"1 14:03:10.120 192.0.2.7:1002 delta a token is required",
		"1 14:02:11.120 192.0.2.2:1000 not HTTP/2",
		"30 000 14:02:12.120 14:02:42.119 3 addresses " + mute,
	} {
		if !strings.Contains(words, line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}
