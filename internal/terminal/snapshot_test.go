package terminal

import (
	"strings"
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// What is not known, or has not begun by a clock that was set back, has no age.
func TestStatusHasNoImpossibleAges(t *testing.T) {
	now := time.Date(2026, 3, 2, 14, 2, 10, 0, time.UTC)
	ago := func(d time.Duration) int64 { return now.Add(-d).UnixNano() }
	for _, test := range []struct {
		s    *bulkheadv1.StatusResponse
		want string
	}{
		{&bulkheadv1.StatusResponse{State: "starting"},
			"no run yet: starting; clients 0 of 2; supervisor pid 7 on here:1\n"},
		{&bulkheadv1.StatusResponse{State: "running", RunId: "r1"}, "run r1: running; clients "},
		{&bulkheadv1.StatusResponse{State: "running", RunId: "r1", StartedUnixNano: ago(90 * time.Second)},
			"run r1: running for 1m30s; clients "},
		{&bulkheadv1.StatusResponse{State: "running", RunId: "r1", StartedUnixNano: ago(-time.Hour)},
			"run r1: running for 0s; clients "},
		{&bulkheadv1.StatusResponse{State: "running", RunId: "r1",
			Sessions: []*bulkheadv1.SessionStatus{{Name: "a", LastMessageUnixNano: ago(-time.Hour)}}}, "  0s ago  "},
		{&bulkheadv1.StatusResponse{State: "running", RunId: "r1", Sessions: []*bulkheadv1.SessionStatus{{Name: "a"}}},
			"  -             0        -\n"},
		{&bulkheadv1.StatusResponse{AcceptedConnections: 9, RejectedConnections: 2, ShedConnections: 3, HandlersBusy: 4,
			PoolReady: 5, PoolStarting: 6, Restarts: 7},
			"\nconnections 9 accepted, 2 rejected, 3 shed; handlers 4 busy, 5 ready, 6 starting; restarts 7\n"},
	} {
		test.s.NowUnixNano, test.s.ExpectedClients, test.s.Pid, test.s.Listen = now.UnixNano(), 2, 7, "here:1"
		var out strings.Builder
		if err := PrintStatus(&out, test.s); err != nil || !strings.Contains(out.String(), test.want) {
			t.Errorf("%v: printed %q, %v; want %q", test.s, out.String(), err, test.want)
		}
	}
}

// A status lists who serves a run, and what all of them come to, if they are several.
func TestStatusOfSeveralSupervisors(t *testing.T) {
	totals := func(rate float64, bytes, errors uint64) *bulkheadv1.SessionTotals {
		return &bulkheadv1.SessionTotals{BytesPerSecond: rate, Bytes: bytes, Errors: errors}
	}
	s := &bulkheadv1.StatusResponse{Totals: totals(40e6, 5e9, 0), RunTotals: totals(60e6, 8e9, 2),
		Supervisors: []*bulkheadv1.SupervisorStatus{
			{Supervisor: 3, Host: "c1", Listen: "c1:7420", OpenSessions: 20, Totals: totals(40e6, 5e9, 0)},
			{Supervisor: 1, Host: "c2", Listen: "c2:7420", OpenSessions: 9, Totals: totals(20e6, 3e9, 2),
				HeardAgoNano: 1.34e9}}}
	var out strings.Builder
	if err := PrintStatus(&out, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n2 supervisors serve this run; all together: 60.0 MB/s, 8.00 GB written, 2 errors\n",
		"\n  supervisor 3 on c1 at c1:7420: 20 open sessions, 40.0 MB/s, 5.00 GB written; this one\n",
		"\n  supervisor 1 on c2 at c2:7420: 9 open sessions, 20.0 MB/s, 3.00 GB written, 2 errors; heard 1.3s ago\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if line := runLine(s, 200); !strings.Contains(line, "2 supervisors, together 60.0 MB/s") {
		t.Errorf("the line of the run is %q", line)
	}
	s.Supervisors, s.RunTotals = nil, nil
	out.Reset()
	if err := PrintStatus(&out, s); err != nil || strings.Contains(out.String(), "supervisors") {
		t.Errorf("%v; of one alone:\n%s", err, out.String())
	}
}

// A status says until when the certificate is valid, and that there is none where others listen.
func TestStatusOfTheWire(t *testing.T) {
	now := time.Date(2026, 3, 2, 14, 2, 10, 0, time.UTC)
	until := func(d time.Duration) *bulkheadv1.Certificate {
		return &bulkheadv1.Certificate{Name: "collector", NotAfterUnixNano: now.Add(d).UnixNano()}
	}
	for _, test := range []struct {
		listen string
		with   *bulkheadv1.Certificate
		want   string // "" for nothing
	}{
		{"0.0.0.0:7420", nil, "\nplain text: who is between the clients and this address can read and change " +
			"everything\n"},
		{"127.0.0.1:7420", nil, ""},
		{"0.0.0.0:7420", until(13 * 24 * time.Hour),
			"\nTLS with the certificate of collector, which expires in 13 days (2026-03-15 14:02:10 UTC)\n"},
		{"127.0.0.1:7420", until(-time.Second),
			"\nTLS with the certificate of collector, which has expired (2026-03-02 14:02:09 UTC)\n"},
	} {
		s := &bulkheadv1.StatusResponse{Listen: test.listen, Certificate: test.with, NowUnixNano: now.UnixNano()}
		var out strings.Builder
		if err := PrintStatus(&out, s); err != nil || !strings.Contains(out.String(), test.want) ||
			test.want == "" && (strings.Contains(out.String(), "TLS") || strings.Contains(out.String(), "plain")) {
			t.Errorf("%v: printed %q, %v; want %q", s, out.String(), err, test.want)
		}
	}
}

// An operator sees how far handlers are locked in, and what is missing for what reason.
func TestStatusSaysHowHandlersAreLockedIn(t *testing.T) {
	const off, reduced, full = bulkheadv1.SandboxState_SANDBOX_STATE_OFF,
		bulkheadv1.SandboxState_SANDBOX_STATE_REDUCED, bulkheadv1.SandboxState_SANDBOX_STATE_FULL
	gap := func(layer bulkheadv1.SandboxLayer, reason string) *bulkheadv1.SandboxGap {
		return &bulkheadv1.SandboxGap{Layer: layer, Reason: reason}
	}
	for _, test := range []struct {
		s    *bulkheadv1.Sandbox
		want string
	}{
		{&bulkheadv1.Sandbox{State: full}, "\nsandbox full\n"},
		{&bulkheadv1.Sandbox{State: off}, "\nsandbox off\n"},
		{new(bulkheadv1.Sandbox), "\nsandbox not known: no handler has started\n"},
		{&bulkheadv1.Sandbox{State: reduced, Missing: []*bulkheadv1.SandboxGap{
			gap(bulkheadv1.SandboxLayer_SANDBOX_LAYER_ROOT, "not permitted"),
			gap(bulkheadv1.SandboxLayer_SANDBOX_LAYER_LANDLOCK, "the kernel has\x1b[2J none"),
			gap(bulkheadv1.SandboxLayer_SANDBOX_LAYER_USER, "not permitted"), gap(99, "new")}},
			"\nsandbox reduced, without root, user (not permitted); landlock (the kernel has\\x1b[2J none); " +
				"layer 99 (new)\n"},
	} {
		var out strings.Builder
		err := PrintStatus(&out, &bulkheadv1.StatusResponse{Sandbox: test.s})
		if err != nil || !strings.Contains(out.String(), test.want) {
			t.Errorf("%v: printed %q, %v; want %q", test.s, out.String(), err, test.want)
		}
	}
	var out strings.Builder
	err := PrintStatus(&out, new(bulkheadv1.StatusResponse))
	if err != nil || strings.Contains(out.String(), "sandbox") {
		t.Errorf("a supervisor that does not tell: printed %q, %v", out.String(), err)
	}
}
