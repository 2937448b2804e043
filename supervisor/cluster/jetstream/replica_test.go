package jetstream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// shelf is a source that has some messages.
type shelf []stored

func (s shelf) fetch(_ context.Context, from, upto uint64) (list []stored, err error) {
	for _, m := range s {
		if m.seq >= from && m.seq <= upto {
			list = append(list, m)
		}
	}
	return list, nil
}

func (shelf) close() error { return nil }

// on returns a message of a subject, behind another one.
func on(seq uint64, subject string, before uint64) stored {
	frames, err := encode([]*bulkheadv1.Record{{Entry: &bulkheadv1.Record_DrainStarted{
		DrainStarted: &bulkheadv1.DrainStarted{Reason: "a"}}}})
	if err != nil {
		panic(err) // it is valid
	}
	header := nats.Header{}
	header.Set(idHeader, "x-1")
	header.Set(expectedHeader, decimal(before))
	return stored{subject: subject, seq: seq, header: header, payload: frames[0]}
}

// TestReplicaIsChecked reads replicas that lack messages, or have others than they should.
func TestReplicaIsChecked(t *testing.T) {
	whole := shelf{on(1, "a", 0), on(2, "b", 0), on(3, "a", 1), on(4, "b", 2)}
	changed := func(i int, change func(*stored)) shelf {
		s := append(shelf{}, whole...)
		s[i].header = nats.Header{}
		for k, v := range whole[i].header {
			s[i].header[k] = v
		}
		s[i].payload = append([]byte{}, whole[i].payload...)
		change(&s[i])
		return s
	}
	for _, one := range []struct {
		name     string
		messages shelf
		sequence uint64
		what     string
	}{
		{"whole", whole, 0, ""},
		{"one is missing", shelf{whole[0], whole[2], whole[3]}, 2, "it is missing; message 3 follows"},
		{"the last of its subject is missing", shelf{whole[0], whole[1], whole[3]}, 3, "it is missing"},
		{"the first is missing", whole[1:], 1, "it is missing"},
		{"the end is missing", whole[:3], 4, "nothing is there"},
		{"all are missing", nil, 1, "nothing is there"},
		{"another is before it", changed(3, func(m *stored) { m.header.Set(expectedHeader, "1") }), 4,
			"it follows message 1 of its subject, and message 2 is there"},
		{"nobody's", changed(1, func(m *stored) { m.header.Del(idHeader) }), 2, "no supervisor"},
		{"a bit of a record", changed(2, func(m *stored) { m.payload[len(m.payload)-1] ^= 1 }), 3,
			"records are damaged"},
		{"half a record", changed(2, func(m *stored) { m.payload = m.payload[:9] }), 3, "records are damaged"},
	} {
		t.Run(one.name, func(t *testing.T) {
			r := &replica{ctx: t.Context(), engine: &servers{patience: time.Millisecond}, source: one.messages,
				node: "n2", stream: "S", upto: 4}
			count := 0
			var err error
			for more := true; more; {
				if _, more, err = r.next(); more {
					count++
				}
			}
			var d *Damage
			switch {
			case one.what == "":
				if err != nil || count != 4 {
					t.Errorf("%d records: %v", count, err)
				}
			case !errors.As(err, &d), d.Sequence != one.sequence, d.Node != "n2", !strings.Contains(d.What, one.what):
				t.Errorf("%v; want message %d: %s", err, one.sequence, one.what)
			}
		})
	}
}

// A replica that lacks the end of a run may be about to catch up; one that lacks something before it never is.
func TestAReplicaThatIsBehind(t *testing.T) {
	x := extent{names: names{run: "r", shards: 1}, upto: []uint64{4, 7}}
	for _, one := range []struct {
		state  replicaState
		damage int
		behind bool
	}{
		{replicaState{Messages: 7, First: 1, Last: 7}, 0, false},
		{replicaState{Messages: 9, First: 1, Last: 9}, 0, false},
		{replicaState{Messages: 6, First: 1, Last: 6}, 1, true},
		{replicaState{Messages: 6, First: 1, Last: 7}, 1, false},
		{replicaState{Messages: 5, First: 1, Last: 6}, 1, true},
		{replicaState{}, 1, true},
	} {
		s := states{node: "n", streams: map[string]replicaState{"BH_r_0": {Messages: 4, First: 1, Last: 4},
			"BH_r_1": one.state}}
		if damage, behind := s.judge(x); len(damage) != one.damage || behind != one.behind {
			t.Errorf("%+v: %v, behind %v", one.state, damage, behind)
		}
	}
}
