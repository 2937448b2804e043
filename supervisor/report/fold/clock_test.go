package fold

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/human"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// A clock that is slewed – half a second in sixteen minutes – has not stepped, nor has one
// of which a single reading is off.
func TestSlewingAndALateReadingAreNoStep(t *testing.T) {
	var a axis
	a.anchor(report.Stamp(story.RunStart.UnixNano()), 1e9)
	for s := int64(1); s < 5000; s++ {
		off := s * 500_000
		if s == 2000 {
			off += int64(time.Minute)
		}
		a.look(report.Stamp(story.RunStart.UnixNano()+s*1e9+off), 1e9+s*1e9)
	}
	if len(a.steps) > 0 {
		t.Errorf("steps: %v", a.steps)
	}
	for s := int64(5000); s < 5002; s++ {
		a.look(report.Stamp(story.RunStart.UnixNano()+s*1e9+s*500_000-int64(time.Hour)), 1e9+s*1e9)
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
	begin := report.Stamp(story.RunStart.UnixNano())
	hello := &bulkheadv1.Hello{WallClockUnixNano: int64(begin), ElapsedNano: 5e9}
	s.clock.greet(hello, begin+20e9) // twenty seconds under way
	s.client.ClockOffsetNano, s.clock.compared = int64(-20e9), true
	for i, delay := range []int64{3e9, 4e6, 2e9} {
		sent := int64(21e9) + int64(i)*1e9
		m := &bulkheadv1.Message{TimeUnixNano: int64(begin) + sent, ElapsedNano: 5e9 + sent}
		s.compareClocks([]*bulkheadv1.Message{m}, begin+report.Stamp(sent+delay))
	}
	if s.client.ClockOffsetNano != -4e6 || s.line.offset != -4e6 || s.clock.complaint != "" {
		t.Errorf("offset %d, on the line %d, %q; want -4 ms", s.client.ClockOffsetNano, s.line.offset,
			s.clock.complaint)
	}
}

// What a client sends in another unit is noticed, said and taken as that.
func TestMillisecondsAreNoticed(t *testing.T) {
	for _, unit := range []int64{1e3, 1e6, 1e9} {
		rescaled := func(change func(*bulkheadv1.Message)) *report.Report {
			records := story.Undisturbed(t)
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
			return folded(t, records)
		}
		plain := rescaled(func(*bulkheadv1.Message) {})
		for name, r := range map[string]*report.Report{
			"wall": rescaled(func(m *bulkheadv1.Message) { m.TimeUnixNano /= unit }),
			"elapsed": rescaled(func(m *bulkheadv1.Message) {
				m.ElapsedNano = (m.TimeUnixNano-story.RunStart.UnixNano())/unit + 1e9
			}),
		} {
			for i := range r.Clients {
				c, was := &r.Clients[i], &plain.Clients[i]
				if !strings.Contains(c.ClockComplaint, unitName(unit)) {
					t.Errorf("%s in %s: client %s: %q", name, unitName(unit), c.Label, c.ClockComplaint)
				}
				if d := c.RuntimeNano - was.RuntimeNano; d > 2e9 || d < -2e9 {
					t.Errorf("%s in %s: client %s ran %s, not %s", name, unitName(unit), c.Label,
						human.Duration(c.RuntimeNano), human.Duration(was.RuntimeNano))
				}
			}
		}
	}
}
