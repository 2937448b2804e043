package fleet

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// line is a connection that remembers.
type line struct {
	got      []*bulkheadv1.SupervisorFrame
	replaced bool
}

func (l *line) Put(f *bulkheadv1.SupervisorFrame) { l.got = append(l.got, f) }
func (l *line) Replace()                          { l.replaced = true }

func hello(id, name string) *bulkheadv1.Hello {
	return &bulkheadv1.Hello{ClientId: []byte(id), Agent: &bulkheadv1.Agent{Name: name}}
}

func report(state bulkheadv1.TaskState) *bulkheadv1.AgentReport {
	return &bulkheadv1.AgentReport{Tasks: []*bulkheadv1.TaskReport{{TaskId: []byte("t"), State: state}}}
}

// clock is a time that the test sets.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func only(t *testing.T, f *Fleet) Agent {
	t.Helper()
	all, _ := f.Agents()
	if len(all) != 1 {
		t.Fatalf("%d agents; want 1: %+v", len(all), all)
	}
	return all[0]
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An agent is remembered while it is away, with its tasks, and forgotten in the end.
func TestAnAgentComesAndGoes(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	f, first, second := New(c.read), &line{}, &line{}
	must(t, f.Join(hello("1", "a"), "p", nil, first))
	f.Report("1", first, report(bulkheadv1.TaskState_TASK_STATE_RUNNING))
	_, changed := f.Agents()
	f.Leave("1", first)
	select {
	case <-changed:
	default:
		t.Error("nobody is told that an agent has left")
	}
	a := only(t, f)
	if a.Connected || a.Reported || a.Task([]byte("t")).GetState() != bulkheadv1.TaskState_TASK_STATE_RUNNING {
		t.Errorf("away: %+v; want its task remembered, and not told anew", a)
	}
	if f.Send("1", &bulkheadv1.SupervisorFrame{}) {
		t.Error("a frame is sent to an agent that is away")
	}
	c.now = c.now.Add(forgetAfter - 1)
	must(t, f.Join(hello("1", "a"), "p", nil, second))
	if a = only(t, f); !a.Connected || a.Connections != 2 || len(a.Tasks) != 1 {
		t.Errorf("back: %+v", a)
	}
	f.Leave("1", second)
	c.now = c.now.Add(forgetAfter)
	if all, _ := f.Agents(); len(all) != 0 {
		t.Errorf("after %s there are %+v", forgetAfter, all)
	}
}

// What comes over a connection that was replaced is not the agent's any more.
func TestAReplacedConnectionSaysNothing(t *testing.T) {
	f, first, second := New(time.Now), &line{}, &line{}
	must(t, f.Join(hello("1", "a"), "p", nil, first))
	must(t, f.Join(hello("1", "a"), "p", nil, second))
	if !first.replaced || second.replaced {
		t.Errorf("replaced: first %t, second %t", first.replaced, second.replaced)
	}
	f.Report("1", first, report(bulkheadv1.TaskState_TASK_STATE_ENDED))
	f.Leave("1", first)
	if a := only(t, f); !a.Connected || a.Reported {
		t.Errorf("%+v; want it connected, without a report", a)
	}
	if !f.Send("1", &bulkheadv1.SupervisorFrame{}) || len(second.got) != 1 || len(first.got) != 0 {
		t.Errorf("frames: first %d, second %d; want 0 and 1", len(first.got), len(second.got))
	}
}

// A name is that of one connected agent; who comes after one that is away takes its place.
func TestANameIsOneAgents(t *testing.T) {
	f, first, second := New(time.Now), &line{}, &line{}
	must(t, f.Join(hello("1", "a"), "p", nil, first))
	if err := f.Join(hello("2", "a"), "p", nil, second); !errors.Is(err, ErrNameTaken) {
		t.Errorf("the second of a name: %v", err)
	}
	f.Leave("1", first)
	must(t, f.Join(hello("2", "a"), "p", nil, second))
	if a := only(t, f); a.ID != "2" || !a.Connected {
		t.Errorf("%+v; want the second", a)
	}
}

// So many agents are known, and no more: those that are away make room.
func TestThereAreSoManyAgents(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	f := New(c.read)
	lines := make([]line, Most)
	for i := range Most {
		must(t, f.Join(hello(fmt.Sprint(i), fmt.Sprint("n", i)), "p", nil, &lines[i]))
	}
	if err := f.Join(hello("x", "x"), "p", nil, &line{}); !errors.Is(err, ErrFull) {
		t.Errorf("one more than %d: %v", Most, err)
	}
	f.Leave("7", &lines[7])
	must(t, f.Join(hello("x", "x"), "p", nil, &line{}))
	if all, _ := f.Agents(); len(all) != Most || f.Knows([]byte("7")) || !f.Knows([]byte("x")) {
		t.Errorf("%d agents; want %d, x and not 7", len(all), Most)
	}
}

// What an agent has proven to be nobody else can follow, neither by its name nor by its id.
func TestNobodyFollowsAnAgentThatHasProvenWhoItIs(t *testing.T) {
	who := func(name string) *bulkheadv1.Identity {
		return &bulkheadv1.Identity{Kind: bulkheadv1.IdentityKind_IDENTITY_KIND_TOKEN, Name: name}
	}
	f, first := New(time.Now), &line{}
	must(t, f.Join(hello("1", "a"), "p", who("owner"), first))
	f.Leave("1", first)
	for _, other := range []*bulkheadv1.Identity{nil, who("other"),
		{Kind: bulkheadv1.IdentityKind_IDENTITY_KIND_CERTIFICATE, Name: "owner"}} {
		if err := f.Join(hello("2", "a"), "p", other, &line{}); !errors.Is(err, ErrAnothers) {
			t.Errorf("%v has the name: %v", other, err)
		}
		if err := f.Join(hello("1", "b"), "p", other, &line{}); !errors.Is(err, ErrAnothers) {
			t.Errorf("%v has the id: %v", other, err)
		}
	}
	must(t, f.Join(hello("2", "a"), "p", who("owner"), &line{}))
	if a := only(t, f); a.ID != "2" || a.Who.GetName() != "owner" {
		t.Errorf("%+v; want the owner's second agent", a)
	}
}

// Whatever comes with what an agent says, what is kept of it has a bound, and what it says again wakes
// nobody.
func TestWhatIsKeptOfAnAgentIsBounded(t *testing.T) {
	f, l := New(time.Now), &line{}
	greedy := hello("1", "a")
	unknown := protowire.AppendBytes(protowire.AppendTag(nil, 99, protowire.BytesType), make([]byte, 1<<20))
	for range 32 {
		one := &bulkheadv1.Allowance{Path: "/" + strings.Repeat("x", 4095), Bytes: 1}
		one.ProtoReflect().SetUnknown(unknown)
		greedy.Agent.Allowances = append(greedy.Agent.Allowances, one)
	}
	must(t, f.Join(greedy, "p", nil, l))
	told := func() *bulkheadv1.AgentReport {
		r := report(bulkheadv1.TaskState_TASK_STATE_ENDED)
		r.Tasks[0].ProtoReflect().SetUnknown(unknown)
		return r
	}
	f.Report("1", l, told())
	a := only(t, f)
	size := 0
	for _, one := range a.Allowances {
		size += proto.Size(one)
	}
	for _, one := range a.Tasks {
		size += proto.Size(one)
	}
	if size > 8<<10 {
		t.Errorf("%d bytes are kept", size)
	}
	_, changed := f.Agents()
	f.Report("1", l, told())
	select {
	case <-changed:
		t.Error("what was said before wakes whoever waits")
	default:
	}
}
