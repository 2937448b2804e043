package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A port scan takes one line, and hides no named client and no other reason.
func TestRejectionsAreGrouped(t *testing.T) {
	const mute = "client closed the connection without a byte"
	s := newStory(t, 0)
	s.at(time.Second).rejected(1, 1, "192.0.2.1:1000", "delta", "wrong token")
	s.rejected(2, 2, "192.0.2.2:1000", "", "not HTTP/2")
	for i := range uint64(3 * maxRejections) {
		s.at(2*time.Second + time.Duration(i)*time.Millisecond)
		s.rejected(3+i, 3, fmt.Sprintf("[2001:db8::%d]:%d", i%3, 1000+i%5000), "", mute)
	}
	s.at(time.Minute).rejected(1<<40, 1, "192.0.2.7:1001", "delta", "wrong token")
	s.rejected(1<<40+1, 1, "192.0.2.7:1002", "delta", "a token is required")
	r := foldAll(t, s.records)
	at := func(d time.Duration) Stamp { return Stamp(runStart.Add(d).UnixNano()) }
	want := []RejectionGroup{
		{"delta", "wrong token", 2, 2, "192.0.2.7:1001", at(time.Second), at(time.Minute)},
		{"delta", "a token is required", 1, 1, "192.0.2.7:1002", at(time.Minute), at(time.Minute)},
		{"", "not HTTP/2", 1, 1, "192.0.2.2:1000", at(time.Second), at(time.Second)},
		{"", mute, 3 * maxRejections, 3, "[2001:db8::2]:5999", at(2 * time.Second), at(2*time.Second + (3*maxRejections-1)*time.Millisecond)},
	}
	if diff := cmp.Diff(want, r.RejectionGroups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	text, _ := render(t, r)
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

// Neither names nor reasons that strangers choose grow the report without bound, and one
// kind takes no place of the other.
func TestRejectionGroupsAreBounded(t *testing.T) {
	var g rejectionGroups
	for i := range 3 * maxRefused {
		g.add(&Rejection{Peer: fmt.Sprintf("192.0.2.%d:1", i), Reason: fmt.Sprint("garbage ", i)})
		g.add(&Rejection{Peer: fmt.Sprintf("192.0.2.%d:1", i), Reason: "scan"})
		g.add(&Rejection{Peer: "pipe", ClientName: fmt.Sprint("name ", i), Reason: "wrong token"})
	}
	list := g.list()
	var sum, nameless uint64
	for _, group := range list {
		sum += group.Count
		if group.ClientName == "" {
			nameless++
		}
		if group.Reason == "scan" && (group.Addresses != maxRejectionAddresses || group.Count != 3*maxRefused) {
			t.Errorf("%+v", group)
		}
	}
	last := list[maxRefused]
	if sum != 9*maxRefused || nameless != maxRejectionReasons+1 || len(list) != maxRefused+1+maxRejectionReasons+1 ||
		last.ClientName != otherNames || last.Reason != otherRejections || last.Count != 2*maxRefused {
		t.Errorf("%d groups, %d nameless, of %d connections; the last of the named is %+v", len(list), nameless, sum, last)
	}
}
