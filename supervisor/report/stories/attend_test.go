package stories

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/render"
)

// Who of those that are expected came: a name counts once, and where names are awaited only
// those count.
func TestWhoIsExpected(t *testing.T) {
	whole := func(s *story.Story, name string, n uint32) {
		story.Shortened(s, name, n, bulkheadv1.StopReason_STOP_REASON_RUNTIME, "")
	}
	die := func(s *story.Story, name string, n uint32) {
		a := s.Arrive(name, n, uint64(n), 4000+int32(n), 0)
		a.Start()
		a.At(s.After+2*time.Second).DetachAs(story.ClosedByClient, uint64(n), "")
		a.At(s.After+30*time.Second).End(bulkheadv1.Outcome_OUTCOME_LOST, "no connection for 30s")
	}
	host := func(s *story.Story, host string) { // of the newest session
		for i := len(s.Records) - 1; i >= 0; i-- {
			if o := s.Records[i].GetSessionOpened(); o != nil {
				o.GetHello().Host = host
				return
			}
		}
	}
	const died = ": its first client died: no connection for 30s; its machine closed the connection, so the client " +
		"probably died; "
	tests := []struct {
		name      string
		expected  uint32
		names     []string
		tell      func(*story.Story)
		word      report.Word
		joined    uint32
		reasons   []string
		warnings  []string
		findings  []string
		standings string
	}{
		{"two of two", 2, nil, func(s *story.Story) { whole(s, "a", 1); whole(s, "b", 2) }, report.WordComplete, 2, nil,
			nil, nil, "counts counts"},
		{"one that crashed and was started again", 2, nil,
			func(s *story.Story) { die(s, "load-7", 1); whole(s, "load-7", 2) }, report.WordPartial, 1,
			[]string{"load-7 came twice" + died + "1 of 2 expected clients never came",
				"client load-7#1: lost: no connection for 30s; its machine closed the connection, so the client " +
					"probably died"}, nil,
			[]string{"load-7 came twice" + died + "a name counts once"}, "counts again"},
		{"three times", 2, nil, func(s *story.Story) { whole(s, "a", 1); whole(s, "a", 2); whole(s, "a", 3) },
			report.WordPartial, 1,
			[]string{"a came 3 times: its first client closed; 1 of 2 expected clients never came"}, nil,
			[]string{"a came 3 times: its first client closed; a name counts once",
				"a came 3 times: its first client closed; a name counts once"}, "counts again again"},
		{"two machines with one name", 2, nil, func(s *story.Story) {
			s.Arrive("localhost", 1, 1, 4001, 0).Start()
			host(s, "rack-1")
			b := s.Arrive("localhost", 2, 2, 4002, 0)
			b.Start()
			host(s, "rack-2")
			s.At(5 * time.Second)
			for session := range uint32(2) {
				s.Add(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{SessionEnded: &bulkheadv1.SessionEnded{
					Session: session + 1, Outcome: bulkheadv1.Outcome_OUTCOME_CLOSED, LastSeq: b.Seq}}})
			}
		}, report.WordPartial, 1, []string{"localhost came twice: its first client on another machine (rack-1, not " +
			"rack-2) was at work meanwhile; 1 of 2 expected clients never came"},
			[]string{"client localhost#1: closed without a Stop message",
				"client localhost#2: closed without a Stop message"},
			[]string{"two clients were called localhost at the same time, on rack-1 (pid 5110) and on rack-2 (pid " +
				"5210); a name counts once: give each machine a name of its own"},
			"counts again"},
		{"enough others came", 2, nil, func(s *story.Story) { whole(s, "a", 1); whole(s, "a", 2); whole(s, "b", 3) },
			report.WordComplete, 2, nil, nil,
			[]string{"a came twice: its first client closed; a name counts once"}, "counts again counts"},
		{"all names", 2, []string{"a", "b"}, func(s *story.Story) { whole(s, "b", 1); whole(s, "a", 2) },
			report.WordComplete, 2, nil, nil, nil, "counts counts"},
		{"three strangers for three names", 3, []string{"a", "b", "c"},
			func(s *story.Story) { whole(s, "x", 1); whole(s, "y", 2); whole(s, "z", 3) }, report.WordPartial, 0,
			[]string{"3 of 3 expected clients never came: a, b, c"}, nil, []string{
				"client x was not expected; it was let in, and does not count",
				"client y was not expected; it was let in, and does not count",
				"client z was not expected; it was let in, and does not count"}, "unexpected unexpected unexpected"},
		{"one is absent", 3, []string{"a", "b", "c"},
			func(s *story.Story) { whole(s, "c", 1); whole(s, "a", 2); whole(s, "a", 3) }, report.WordPartial, 2,
			[]string{"1 of 3 expected clients never came: b"}, nil,
			[]string{"a came twice: its first client closed; a name counts once"}, "counts counts again"},
		{"a wrong token and then the right one", 1, nil, func(s *story.Story) {
			s.Rejected(8, 1, "", "a", "wrong token")
			whole(s, "a", 1)
		}, report.WordComplete, 1, nil,
			[]string{"a client called a was rejected: wrong token; one of that name was let in"}, nil, "counts"},
		{"a wrong token of somebody else", 1, nil, func(s *story.Story) {
			s.Rejected(8, 1, "", "b", "wrong token")
			whole(s, "a", 1)
		}, report.WordPartial, 1, []string{"client b was rejected: wrong token"}, nil, nil, "counts"},
		{"a wrong token of one that is not awaited", 1, []string{"a"}, func(s *story.Story) {
			s.Rejected(8, 1, "", "b", "wrong token")
			whole(s, "a", 1)
		}, report.WordComplete, 1, nil, []string{"client b, which is not expected, was rejected: wrong token"}, nil,
			"counts"},
		{"a wrong token of one that is awaited", 2, []string{"a", "b"}, func(s *story.Story) {
			s.Rejected(8, 1, "", "b", "wrong token")
			whole(s, "a", 1)
		}, report.WordPartial, 1, []string{"1 of 2 expected clients never came: b",
			"client b was rejected: wrong token"}, nil, nil, "counts"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := story.New(t, test.expected)
			s.Records[0].GetRunStarted().ExpectedNames = test.names
			test.tell(s)
			s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
			r := folded.All(t, s.Records)
			var findings, standings []string
			for _, f := range r.Findings {
				if f.Kind == report.FindingNameTwice || f.Kind == report.FindingUnexpected {
					findings = append(findings, f.Text)
				}
			}
			for _, c := range r.Clients {
				standings = append(standings, c.Standing)
			}
			if r.Verdict.Word != test.word || r.Run.JoinedClients != test.joined ||
				strings.Join(standings, " ") != test.standings {
				t.Errorf("%s, %d joined, %q; want %s, %d, %q", r.Verdict.Word, r.Run.JoinedClients, standings,
					test.word, test.joined, test.standings)
			}
			for _, list := range []struct{ want, got []string }{{test.reasons, r.Verdict.Reasons},
				{test.warnings, r.Verdict.Warnings}, {test.findings, findings}} {
				if diff := cmp.Diff(strings.Join(list.want, "\n"), strings.Join(list.got, "\n")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
			absent := int(r.Run.ExpectedClients - min(r.Run.ExpectedClients, r.Run.JoinedClients))
			junit := string(written(t, func(w io.Writer) error { return render.JUnit(r, w, nil) }))
			if named := len(test.names) > 0; named && strings.Count(junit, `message="absent"`) != absent ||
				!named && (absent > 0) != strings.Contains(junit, `message="absent"`) {
				t.Errorf("%d are absent, and JUnit says\n%s", absent, junit)
			}
		})
	}
}

// Settings that an operator changed when the run was taken up again are told, and those
// that the journal does not tell are not made up.
func TestChangedSettings(t *testing.T) {
	settings := func(of func(*bulkheadv1.Settings)) *bulkheadv1.Settings {
		s := &bulkheadv1.Settings{LingerNano: int64(2 * time.Second), SessionGraceNano: int64(30 * time.Second),
			JournalSync: "batch"}
		of(s)
		return s
	}
	for _, test := range []struct {
		name     string
		before   *bulkheadv1.Settings
		now      *bulkheadv1.SupervisorRestarted
		want     string
		expected uint32
	}{
		{"nothing", settings(func(*bulkheadv1.Settings) {}),
			&bulkheadv1.SupervisorRestarted{ExpectedClients: 3, Settings: settings(func(*bulkheadv1.Settings) {})}, "",
			3},
		{"fewer clients", nil, &bulkheadv1.SupervisorRestarted{ExpectedClients: 1}, "clients 1, before 3", 1},
		{"names", nil, &bulkheadv1.SupervisorRestarted{ExpectedClients: 2, ExpectedNames: []string{"a", "b"}},
			"clients a, b, before 3", 2},
		{"not told before", nil, &bulkheadv1.SupervisorRestarted{ExpectedClients: 3,
			Settings: settings(func(s *bulkheadv1.Settings) { s.LingerNano = 1 })}, "", 3},
		{"not told now", settings(func(*bulkheadv1.Settings) {}), &bulkheadv1.SupervisorRestarted{ExpectedClients: 3},
			"", 3},
		{"all", settings(func(*bulkheadv1.Settings) {}),
			&bulkheadv1.SupervisorRestarted{ExpectedClients: 3, Settings: &bulkheadv1.Settings{
				LingerNano: int64(time.Minute), SessionGraceNano: int64(time.Hour),
				DrainTimeoutNano: int64(time.Second),
				KeepRunning:      true,
				MaxClients:       9, TokenRequired: true, JournalSync: "none",
			}}, "linger 1m00s, before 2s; session.grace 1h00m00s, before 30s; drain_timeout 1s, before 0s; " +
				"keep_running " +
				"true, before false; " +
				"overload.max_clients 9, before 0; token required, before not required; journal.sync none, " +
				"before batch",
			3},
	} {
		s := story.New(t, 3)
		s.Records[0].GetRunStarted().Settings = test.before
		s.Restarted(bulkheadv1.RestartKind_RESTART_KIND_UPGRADED, test.now)
		s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
		r := folded.All(t, s.Records)
		if got := strings.Join(r.Run.Restarts[0].Changes, "; "); got != test.want ||
			r.Run.ExpectedClients != test.expected {
			t.Errorf("%s: %q, %d expected; want %q, %d", test.name, got, r.Run.ExpectedClients, test.want,
				test.expected)
		}
		if told := strings.Contains(strings.Join(r.Verdict.Warnings, "\n"),
			"has other settings: "+test.want); told != (test.want != "") {
			t.Errorf("%s: warnings %q", test.name, r.Verdict.Warnings)
		}
	}
}
