package report

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// twoClocks gives every record and message of a story the clock that is never set, and
// moves the wall clocks by what steps say of the time since the run began.
func twoClocks(t *testing.T, records []*bulkheadv1.Record, boot string, supervisor, client func(time.Duration) time.Duration) []*bulkheadv1.Record {
	t.Helper()
	// The supervisor's machine runs since an hour, the client's since a year.
	mine := func(wall int64) int64 { return wall - runStart.UnixNano() + int64(time.Hour) }
	theirs := func(wall int64) int64 { return wall - runStart.UnixNano() + int64(365*24*time.Hour) }
	step := func(wall int64, by func(time.Duration) time.Duration) int64 {
		if wall == 0 {
			return 0
		}
		return wall + int64(by(time.Duration(wall-runStart.UnixNano())))
	}
	var out []*bulkheadv1.Record
	for _, was := range records {
		r := proto.CloneOf(was)
		r.ElapsedNano = mine(r.TimeUnixNano)
		r.TimeUnixNano = step(r.TimeUnixNano, supervisor)
		switch e := r.GetEntry().(type) {
		case *bulkheadv1.Record_RunStarted:
			e.RunStarted.BootId = boot
		case *bulkheadv1.Record_SessionOpened:
			h := e.SessionOpened.GetHello()
			h.ElapsedNano = theirs(h.WallClockUnixNano)
			h.WallClockUnixNano = step(h.WallClockUnixNano, client)
		case *bulkheadv1.Record_HandlerExited:
			x := e.HandlerExited.GetExit()
			x.StartedElapsedNano, x.EndedElapsedNano = mine(x.StartedUnixNano), mine(x.EndedUnixNano)
			x.StartedUnixNano, x.EndedUnixNano = step(x.StartedUnixNano, supervisor), step(x.EndedUnixNano, supervisor)
		case *bulkheadv1.Record_SessionBatch:
			batch := new(bulkheadv1.Batch)
			if err := proto.Unmarshal(e.SessionBatch.GetBatch(), batch); err != nil {
				t.Fatal(err)
			}
			for _, m := range batch.GetMessages() {
				m.ElapsedNano = theirs(m.TimeUnixNano)
				m.TimeUnixNano = step(m.TimeUnixNano, client)
				if h := m.GetHeartbeat(); h != nil {
					h.StartedElapsedNano, h.StartedUnixNano = theirs(h.StartedUnixNano), step(h.StartedUnixNano, client)
				}
				if f := m.GetRollover(); f != nil {
					f.FirstWriteElapsedNano, f.FirstWriteUnixNano = theirs(f.FirstWriteUnixNano), step(f.FirstWriteUnixNano, client)
				}
				for _, x := range m.GetStop().GetExits() {
					x.StartedElapsedNano, x.EndedElapsedNano = theirs(x.StartedUnixNano), theirs(x.EndedUnixNano)
					x.StartedUnixNano, x.EndedUnixNano = step(x.StartedUnixNano, client), step(x.EndedUnixNano, client)
				}
			}
			var err error
			if e.SessionBatch.Batch, err = proto.Marshal(batch); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, r)
	}
	return out
}

func setAfter(d, by time.Duration) func(time.Duration) time.Duration {
	return func(at time.Duration) time.Duration {
		if at >= d {
			return by
		}
		return 0
	}
}

// The report of a run in which both clocks were set is the report of the run in which
// none was, but for its findings about that.
func TestSteppedClocksChangeNothingButAFinding(t *testing.T) {
	records := undisturbed(t)
	never := func(time.Duration) time.Duration { return 0 }
	want := foldAll(t, twoClocks(t, records, "boot", never, never))
	got := foldAll(t, twoClocks(t, records, "boot", setAfter(9*time.Second, time.Hour), setAfter(7*time.Second, -time.Hour)))

	var steps []string
	got.Findings, steps = withoutClockSteps(got.Findings)
	want.Findings, _ = withoutClockSteps(want.Findings)
	text, wantText := written(t, got.Text), written(t, want.Text)
	if string(text) != string(wantText) {
		t.Errorf("the reports differ; with steps:\n%s\nwithout:\n%s", text, wantText)
	}
	said := strings.Join(steps, "\n")
	for _, part := range []string{"the supervisor's clock stepped by +1h00m00s at 14:02:19", "stepped by -1h00m00s at 14:02:1"} {
		if !strings.Contains(said, part) {
			t.Errorf("no finding says %q:\n%s", part, said)
		}
	}
	if len(steps) != 1+len(want.Clients) {
		t.Errorf("%d findings about steps:\n%s", len(steps), said)
	}
}

func withoutClockSteps(list []Finding) (rest []Finding, steps []string) {
	for _, f := range list {
		if f.Kind == FindingClockStep {
			steps = append(steps, f.Text)
		} else {
			rest = append(rest, f)
		}
	}
	return rest, steps
}

// A clock that is slewed – half a second in sixteen minutes – has not stepped, nor has one
// of which a single reading is off.
func TestSlewingAndALateReadingAreNoStep(t *testing.T) {
	var a axis
	a.anchor(Stamp(runStart.UnixNano()), 1e9)
	for s := int64(1); s < 5000; s++ {
		off := s * 500_000
		if s == 2000 {
			off += int64(time.Minute)
		}
		a.look(Stamp(runStart.UnixNano()+s*1e9+off), 1e9+s*1e9)
	}
	if len(a.steps) > 0 {
		t.Errorf("steps: %v", a.steps)
	}
	for s := int64(5000); s < 5002; s++ {
		a.look(Stamp(runStart.UnixNano()+s*1e9+s*500_000-int64(time.Hour)), 1e9+s*1e9)
	}
	if len(a.steps) != 1 || a.steps[0].ByNano > -int64(time.Hour)+1e6 || a.steps[0].ByNano < -int64(time.Hour)-1e6 {
		t.Errorf("a step of -1h is %v", a.steps)
	}
}

// One Hello that was held up does not move the client on the axis: the offset is that of
// the least delayed message.
func TestTheOffsetIsTheLeastDelay(t *testing.T) {
	var s sessionState
	s.line = new(clientLine)
	begin := Stamp(runStart.UnixNano())
	hello := &bulkheadv1.Hello{WallClockUnixNano: int64(begin), ElapsedNano: 5e9}
	s.clock.greet(hello, begin+20e9) // twenty seconds under way
	s.client.ClockOffsetNano, s.clock.compared = int64(-20e9), true
	for i, delay := range []int64{3e9, 4e6, 2e9} {
		sent := int64(21e9) + int64(i)*1e9
		m := &bulkheadv1.Message{TimeUnixNano: int64(begin) + sent, ElapsedNano: 5e9 + sent}
		s.compareClocks([]*bulkheadv1.Message{m}, begin+Stamp(sent+delay))
	}
	if s.client.ClockOffsetNano != -4e6 || s.line.offset != -4e6 || s.clock.complaint != "" {
		t.Errorf("offset %d, on the line %d, %q; want -4 ms", s.client.ClockOffsetNano, s.line.offset, s.clock.complaint)
	}
}

// What a client sends in another unit is noticed, said and taken as that.
func TestMillisecondsAreNoticed(t *testing.T) {
	for _, unit := range []int64{1e3, 1e6, 1e9} {
		rescaled := func(change func(*bulkheadv1.Message)) *Report {
			records := undisturbed(t)
			for i, r := range records {
				if r.GetSessionBatch() == nil {
					continue
				}
				records[i] = proto.CloneOf(r)
				b, batch := records[i].GetSessionBatch(), new(bulkheadv1.Batch)
				if err := proto.Unmarshal(b.GetBatch(), batch); err != nil {
					t.Fatal(err)
				}
				for _, m := range batch.GetMessages() {
					change(m)
				}
				b.Batch, _ = proto.Marshal(batch)
			}
			return foldAll(t, records)
		}
		plain := rescaled(func(*bulkheadv1.Message) {})
		for name, r := range map[string]*Report{
			"wall": rescaled(func(m *bulkheadv1.Message) { m.TimeUnixNano /= unit }),
			"elapsed": rescaled(func(m *bulkheadv1.Message) {
				m.ElapsedNano = (m.TimeUnixNano-runStart.UnixNano())/unit + 1e9
			}),
		} {
			for i := range r.Clients {
				c, was := &r.Clients[i], &plain.Clients[i]
				if !strings.Contains(c.ClockComplaint, unitName(unit)) {
					t.Errorf("%s in %s: client %s: %q", name, unitName(unit), c.Label, c.ClockComplaint)
				}
				if d := c.RuntimeNano - was.RuntimeNano; d > 2e9 || d < -2e9 {
					t.Errorf("%s in %s: client %s ran %s, not %s", name, unitName(unit), c.Label, human(c.RuntimeNano), human(was.RuntimeNano))
				}
			}
		}
	}
}

// On another boot the clock that is never set begins anew, and only the wall clock says how
// long nobody was there.
func TestAfterARebootTheWallClockSaysHowLong(t *testing.T) {
	records := []*bulkheadv1.Record{
		{TimeUnixNano: runStart.UnixNano(), ElapsedNano: 9e15, Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: "r", BootId: "one"}}},
		{TimeUnixNano: runStart.UnixNano() + 60e9, ElapsedNano: 5e9, Entry: &bulkheadv1.Record_SupervisorRestarted{SupervisorRestarted: &bulkheadv1.SupervisorRestarted{BootId: "two"}}},
		{TimeUnixNano: runStart.UnixNano() - 9e15, ElapsedNano: 12e9, Entry: &bulkheadv1.Record_RunEnded{RunEnded: &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_DONE}}},
	}
	r := foldAll(t, records)
	if r.Run.LengthNano != 67e9 || len(r.Run.Reboots) != 1 {
		t.Errorf("the run lasted %s, %d reboots; want 1m07s and one", human(r.Run.LengthNano), len(r.Run.Reboots))
	}
	records[1].GetSupervisorRestarted().BootId, records[0].ElapsedNano = "one", 1e9
	if r = foldAll(t, records); r.Run.LengthNano != 11e9 || len(r.Run.Reboots) != 0 {
		t.Errorf("on one boot the run lasted %s, %d reboots; want 11 s and none", human(r.Run.LengthNano), len(r.Run.Reboots))
	}
}
