package turnout

import (
	"testing"

	"bulkhead/supervisor/report"
)

// session returns one of a client with three stages, whose newest is of that number.
func session(number, continues uint32, newest int, load string, entered ...uint64) Session {
	c := &report.Client{Session: number, Continues: continues, Resent: continues > 0, Stage: newest, Load: load,
		Outcome: report.OutcomeLost}
	return Session{Client: c, Stages: []int{1, 2, 3}, Consumers: func() (list []Consumer) {
		for i, bits := range entered {
			list = append(list, Consumer{Index: uint32(i), Pid: 7, Entered: bits})
		}
		return list
	}}
}

func TestCount(t *testing.T) {
	open := session(1, 0, 2, "")
	open.Client.Outcome = report.OutcomeOpen
	for _, test := range []struct {
		name     string
		sessions []Session
		running  bool
		want     [3]Stage
	}{
		{"two clients", []Session{session(1, 0, 3, report.LoadWhole), session(2, 0, 1, "")}, false,
			[3]Stage{{Clients: 2, Finished: 1}, {Clients: 1, Finished: 1, Unreached: 1},
				{Clients: 1, Finished: 1, Unreached: 1}}},
		{"while it runs", []Session{open, session(2, 0, 2, "")}, true,
			[3]Stage{{Clients: 2, Finished: 2}, {Clients: 2}, {Unreached: 1}}},
		{"a rest of a rest", []Session{session(1, 0, 1, "", 1, 1), session(2, 1, 2, "", 2),
			session(3, 2, 3, report.LoadWhole, 4, 4)}, false,
			[3]Stage{{Clients: 1, Finished: 1}, {Clients: 1, Finished: 1, Late: 1},
				{Clients: 1, Finished: 1, Late: 2}}},
		{"a rest with its end alone", []Session{session(1, 0, 3, "", 7), session(2, 1, 0, report.LoadWhole)}, false,
			[3]Stage{{Clients: 1, Finished: 1}, {Clients: 1, Finished: 1}, {Clients: 1, Finished: 1}}},
		{"each is the rest of the other", []Session{session(1, 2, 1, "", 1), session(2, 1, 1, "", 1)}, false,
			[3]Stage{{Clients: 2, Late: 2}, {Unreached: 2}, {Unreached: 2}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := [3]Stage(Count(test.sessions, 3, test.running)); got != test.want {
				t.Errorf("%+v; want %+v", got, test.want)
			}
		})
	}
}
