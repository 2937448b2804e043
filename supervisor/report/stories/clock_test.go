package stories

import (
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/human"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/render"
)

// twoClocks gives every record and message of a story the clock that is never set, and
// moves the wall clocks by what steps say of the time since the run began.
func twoClocks(t *testing.T, records []*bulkheadv1.Record, boot string, supervisor,
	client func(time.Duration) time.Duration) []*bulkheadv1.Record {
	t.Helper()
	// The supervisor's machine runs since an hour, the client's since a year.
	mine := func(wall int64) int64 { return wall - story.RunStart.UnixNano() + int64(time.Hour) }
	theirs := func(wall int64) int64 { return wall - story.RunStart.UnixNano() + int64(365*24*time.Hour) }
	step := func(wall int64, by func(time.Duration) time.Duration) int64 {
		if wall == 0 {
			return 0
		}
		return wall + int64(by(time.Duration(wall-story.RunStart.UnixNano())))
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
					f.FirstWriteElapsedNano, f.FirstWriteUnixNano = theirs(f.FirstWriteUnixNano), step(
						f.FirstWriteUnixNano, client)
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
	records := story.Undisturbed(t)
	never := func(time.Duration) time.Duration { return 0 }
	want := folded.All(t, twoClocks(t, records, "boot", never, never))
	got := folded.All(t, twoClocks(t, records, "boot", setAfter(9*time.Second, time.Hour),
		setAfter(7*time.Second, -time.Hour)))

	var steps []string
	got.Findings, steps = withoutClockSteps(got.Findings)
	want.Findings, _ = withoutClockSteps(want.Findings)
	text, wantText := written(t, func(w io.Writer) error { return render.Text(got, w) }), written(t,
		func(w io.Writer) error { return render.Text(want, w) })
	if string(text) != string(wantText) {
		t.Errorf("the reports differ; with steps:\n%s\nwithout:\n%s", text, wantText)
	}
	said := strings.Join(steps, "\n")
	for _, part := range []string{"the supervisor's clock stepped by +1h00m00s at 14:02:19",
		"stepped by -1h00m00s at 14:02:1"} {
		if !strings.Contains(said, part) {
			t.Errorf("no finding says %q:\n%s", part, said)
		}
	}
	if len(steps) != 1+len(want.Clients) {
		t.Errorf("%d findings about steps:\n%s", len(steps), said)
	}
}

func withoutClockSteps(list []report.Finding) (rest []report.Finding, steps []string) {
	for _, f := range list {
		if f.Kind == report.FindingClockStep {
			steps = append(steps, f.Text)
		} else {
			rest = append(rest, f)
		}
	}
	return rest, steps
}

// On another boot the clock that is never set begins anew, and only the wall clock says how
// long nobody was there.
func TestAfterARebootTheWallClockSaysHowLong(t *testing.T) {
	records := []*bulkheadv1.Record{
		{TimeUnixNano: story.RunStart.UnixNano(), ElapsedNano: 9e15,
			Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: "r", BootId: "one"}}},
		{TimeUnixNano: story.RunStart.UnixNano() + 60e9, ElapsedNano: 5e9,
			Entry: &bulkheadv1.Record_SupervisorRestarted{
				SupervisorRestarted: &bulkheadv1.SupervisorRestarted{BootId: "two"}}},
		{TimeUnixNano: story.RunStart.UnixNano() - 9e15, ElapsedNano: 12e9,
			Entry: &bulkheadv1.Record_RunEnded{RunEnded: &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_DONE}}},
	}
	r := folded.All(t, records)
	if r.Run.LengthNano != 67e9 || len(r.Run.Reboots) != 1 {
		t.Errorf("the run lasted %s, %d reboots; want 1m07s and one", human.Duration(r.Run.LengthNano),
			len(r.Run.Reboots))
	}
	records[1].GetSupervisorRestarted().BootId, records[0].ElapsedNano = "one", 1e9
	if r = folded.All(t, records); r.Run.LengthNano != 11e9 || len(r.Run.Reboots) != 0 {
		t.Errorf("on one boot the run lasted %s, %d reboots; want 11 s and none", human.Duration(r.Run.LengthNano),
			len(r.Run.Reboots))
	}
}
