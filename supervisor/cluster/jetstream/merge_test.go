package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// scripted is a lane with the records of a list, and then an error.
type scripted struct {
	list []entry
	err  error
}

func (s *scripted) next() (entry, bool, error) {
	if len(s.list) == 0 {
		return entry{}, false, s.err
	}
	e := s.list[0]
	s.list = s.list[1:]
	return e, true, nil
}

// at returns a record of a supervisor, with its name and its times.
func at(name string, supervisor uint32, elapsed int64) entry {
	data, err := proto.Marshal(&bulkheadv1.Record{TimeUnixNano: 9999, ElapsedNano: elapsed,
		Entry: &bulkheadv1.Record_DrainStarted{DrainStarted: &bulkheadv1.DrainStarted{Reason: name}}})
	if err != nil {
		panic(err)
	}
	return entry{payload: data, supervisor: supervisor}
}

func ending(e entry) entry { e.end = true; return e }

// TestCanonicalOrder merges records of supervisors whose clocks differ, that were sent late, have no
// time, or come from before the run.
func TestCanonicalOrder(t *testing.T) {
	c := clock{wall: 5000, elapsed: 100, offsets: map[uint32]int64{1: 0, 2: -1000}}
	for _, one := range []struct {
		name  string
		lanes [][]entry
		want  []string
	}{
		{"time decides", [][]entry{{at("a", 1, 100), at("d", 1, 130)}, {at("b", 1, 110)}, {at("c", 1, 120)}},
			[]string{"a 100", "b 110", "c 120", "d 130"}},
		{"the lane decides between equals", [][]entry{{at("a", 1, 100)}, {at("b", 1, 110)}, {at("c", 1, 110)}},
			[]string{"a 100", "b 110", "c 110"}},
		{"another machine's clock",
			[][]entry{{at("a", 1, 100)}, {at("c", 1, 120)}, {at("b", 2, 1110), at("d", 2, 1130)}},
			[]string{"a 100", "b 110", "c 120", "d 130"}},
		{"time never goes back in a lane",
			[][]entry{{at("a", 1, 100)}, {at("c", 1, 120), at("d", 1, 105)}, {at("b", 1, 110)}},
			[]string{"a 100", "b 110", "c 120", "d 120"}},
		{"nothing is before the begin", [][]entry{{at("a", 1, 100)}, {at("b", 1, 3), at("c", 1, 101)}},
			[]string{"a 100", "b 100", "c 101"}},
		{"no time is that of the one before",
			[][]entry{{at("a", 1, 100)}, {at("b", 1, 110), at("c", 1, 0)}, {at("d", 1, 111)}},
			[]string{"a 100", "b 110", "c 110", "d 111"}},
		{"the end is the last",
			[][]entry{{at("a", 1, 100), ending(at("d", 1, 105))}, {at("b", 1, 110)}, {at("c", 1, 120)}},
			[]string{"a 100", "b 110", "c 120", "d 120"}},
		{"a lane without records", [][]entry{{at("a", 1, 100)}, nil, {at("b", 1, 110)}}, []string{"a 100", "b 110"}},
	} {
		t.Run(one.name, func(t *testing.T) {
			var lanes []lane
			for _, l := range one.lanes {
				lanes = append(lanes, &scripted{list: l})
			}
			var got []string
			for data, err := range canonical(c, lanes) {
				rec := new(bulkheadv1.Record)
				if err := errors.Join(err, proto.Unmarshal(data, rec)); err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprint(rec.GetDrainStarted().GetReason(), " ", rec.ElapsedNano))
				if rec.TimeUnixNano != rec.ElapsedNano+4900 {
					t.Errorf("the wall clock says %d at %d", rec.TimeUnixNano, rec.ElapsedNano)
				}
			}
			if !slices.Equal(got, one.want) {
				t.Errorf("%q; want %q", got, one.want)
			}
		})
	}
}

// TestCanonicalOrderEndsAtAnError checks that nothing follows what a lane cannot give.
func TestCanonicalOrderEndsAtAnError(t *testing.T) {
	cause := errors.New("cannot be read")
	lanes := []lane{&scripted{list: []entry{at("a", 1, 100), at("b", 1, 101)}},
		&scripted{list: []entry{at("c", 1, 100)}, err: cause}}
	var last error
	count := 0
	for _, err := range canonical(clock{elapsed: 100}, lanes) {
		if last != nil {
			t.Error("something follows")
		}
		last, count = err, count+1
	}
	if !errors.Is(last, cause) || count > 3 {
		t.Errorf("after %d: %v", count, last)
	}
}

// FuzzRestamp checks that whatever bytes a record has, it gets other times or is refused.
func FuzzRestamp(f *testing.F) {
	f.Add(at("a", 1, 100).payload)
	f.Add([]byte{0x70, 0x80})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if _, err := elapsedOf(payload); err != nil && !errors.Is(err, errRecord) {
			t.Error(err)
		}
		out, err := restamp(payload, 77, 88)
		if err != nil {
			return
		}
		if got, err := elapsedOf(out); err != nil || got != 88 {
			t.Errorf("%x says %d: %v", out, got, err)
		}
		again, err := restamp(out, 77, 88)
		if err != nil || string(again) != string(out) {
			t.Errorf("%x becomes %x: %v", out, again, err)
		}
	})
}

// FuzzPayloads checks that what a message holds is split whole, or refused.
func FuzzPayloads(f *testing.F) {
	frames, err := encode([]*bulkheadv1.Record{{Entry: &bulkheadv1.Record_DrainStarted{
		DrainStarted: &bulkheadv1.DrainStarted{Reason: "a"}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(frames[0], frames[0]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := payloads(data)
		size := 0
		for _, p := range list {
			size += len(p) + 8
		}
		if err == nil && size != len(data) || size > len(data) {
			t.Errorf("%d of %d bytes: %v", size, len(data), err)
		}
	})
}
