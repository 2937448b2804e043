package campaign

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/internal/config"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/fleet"
)

// Agents that have reported are used; one that has just gone, and matches, is waited for, and one that
// has been away for long is not.
func TestWhoDoesWhat(t *testing.T) {
	now := time.Unix(1000, 0)
	rack := func(name string) fleet.Agent {
		return fleet.Agent{ID: name, Name: name, Labels: map[string]string{"rack": "1"}, Connected: true,
			Reported: true, Since: now}
	}
	silent, gone, lost := rack("silent"), rack("gone"), rack("lost")
	silent.Reported = false
	gone.Connected, gone.Reported = false, false
	lost.Connected, lost.Reported, lost.Since = false, false, now.Add(-returnsSoon)
	other := fleet.Agent{Name: "other", Since: now}
	entries := []config.JobEntry{{On: config.JobTarget{Labels: map[string]string{"rack": "1"}}}}
	for _, tt := range []struct {
		name   string
		agents []fleet.Agent
		use    string
		waits  string
		entry  bool // is waited for
	}{
		{"one", []fleet.Agent{rack("a")}, "a", "", false},
		{"all", []fleet.Agent{rack("a"), rack("b")}, "a b", "", false},
		{"nobody", nil, "", "", true},
		{"another", []fleet.Agent{other}, "", "", true},
		{"one that has just gone", []fleet.Agent{rack("a"), gone}, "", "gone", false},
		{"one that has said nothing", []fleet.Agent{rack("a"), silent}, "", "silent", false},
		{"one that is lost", []fleet.Agent{rack("a"), lost}, "a", "", false},
		{"another that has just gone", []fleet.Agent{rack("a"), other}, "a", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shares, waits, err := matched(entries, sight{agents: tt.agents, now: now})
			if err != nil {
				t.Fatal(err)
			}
			var use []string
			for _, s := range shares {
				use = append(use, s.agent.Name)
			}
			if got := strings.Join(use, " "); got != tt.use {
				t.Errorf("used are %q; want %q", got, tt.use)
			}
			if got := strings.Join(waits.GetAgents(), " "); got != tt.waits {
				t.Errorf("waited for are %q; want %q", got, tt.waits)
			}
			if got := slices.Equal(waits.GetEntries(), []uint32{0}); got != tt.entry {
				t.Errorf("entries waited for: %v", waits.GetEntries())
			}
		})
	}
}

// A client that will not come is waited for in vain; one that has come is the run's.
func TestAClientThatWillNotCome(t *testing.T) {
	of := func(state bulkheadv1.TaskState, connected bool, since time.Duration) []share {
		return []share{{agent: fleet.Agent{Name: "a", Connected: connected, Since: time.Now().Add(-since)},
			task: &bulkheadv1.Task{ClientName: "a"}, told: &bulkheadv1.TaskReport{State: state}, sent: time.Now()}}
	}
	const unknown, running = bulkheadv1.TaskState_TASK_STATE_UNSPECIFIED, bulkheadv1.TaskState_TASK_STATE_RUNNING
	const ended, refused = bulkheadv1.TaskState_TASK_STATE_ENDED, bulkheadv1.TaskState_TASK_STATE_REFUSED
	for _, tt := range []struct {
		shares []share
		joined []string
		vain   bool
	}{
		{of(unknown, true, 0), nil, false},
		{of(running, true, time.Hour), nil, false},
		{of(running, false, awayPatience/2), nil, false},
		{of(running, false, awayPatience), nil, true},
		{of(running, false, awayPatience), []string{"a"}, false},
		{of(ended, true, 0), nil, true},
		{of(ended, true, 0), []string{"b"}, true},
		{of(ended, true, 0), []string{"a"}, false},
		{of(refused, true, 0), nil, true},
	} {
		tt.shares[0].joined = slices.Contains(tt.joined, "a")
		if why := inVain(tt.shares, false); (why != "") != tt.vain {
			t.Errorf("%v of an agent %+v, joined %v: %q; want in vain: %t", tt.shares[0].told.GetState(),
				tt.shares[0].agent, tt.joined, why, tt.vain)
		}
	}
}

// An agent that says yes and does nothing, or says nothing at all, holds no run up for ever; where the run
// is gathered, the gather says for how long.
func TestAnAgentThatNeverBringsItsClient(t *testing.T) {
	running := &bulkheadv1.TaskReport{State: bulkheadv1.TaskState_TASK_STATE_RUNNING}
	for _, tt := range []struct {
		told     *bulkheadv1.TaskReport
		sent     time.Duration // ago
		since    time.Duration // it is connected
		gathered bool
		vain     bool
	}{
		{nil, awayPatience / 2, time.Hour, false, false},
		{nil, awayPatience, time.Hour, false, true},
		{nil, awayPatience, time.Hour, true, true},
		{nil, awayPatience, awayPatience / 2, false, false}, // it has just come again, and gets its task again
		{nil, joinPatience, awayPatience / 2, false, true},  // so it does again and again, and says nothing
		{nil, joinPatience, awayPatience / 2, true, false},
		{running, joinPatience / 2, time.Hour, false, false},
		{running, joinPatience, time.Hour, false, true},
		{running, joinPatience, time.Hour, true, false},
		{&bulkheadv1.TaskReport{State: bulkheadv1.TaskState_TASK_STATE_POSSIBLE}, joinPatience, time.Hour, false, true},
	} {
		now := time.Now()
		shares := []share{{agent: fleet.Agent{Name: "a", Connected: true, Since: now.Add(-tt.since)},
			task: &bulkheadv1.Task{ClientName: "a"}, told: tt.told, sent: now.Add(-tt.sent)}}
		if why := inVain(shares, tt.gathered); (why != "") != tt.vain {
			t.Errorf("%+v: %q", tt, why)
		}
		shares[0].joined = true
		if why := inVain(shares, tt.gathered); why != "" {
			t.Errorf("%+v, and its client has come: %q", tt, why)
		}
	}
}

// crowd is a fleet of agents that all say one thing of the tasks that they get, in the words of one of them.
type crowd struct {
	f     *fleet.Fleet
	id    string
	asked chan *bulkheadv1.Task
}

func (c *crowd) Put(f *bulkheadv1.SupervisorFrame) {
	if task := f.GetTask(); task != nil {
		c.asked <- task
	}
}
func (c *crowd) Replace() {}

// newCrowd returns a fleet of agents whose answers are taken until the test ends.
func newCrowd(t *testing.T, n int, answer func(i int, ask *bulkheadv1.Task) *bulkheadv1.AgentReport) *fleet.Fleet {
	t.Helper()
	f, done := fleet.New(time.Now), make(chan struct{})
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { close(done) })
	for i := range n {
		c := &crowd{f: f, id: fmt.Sprint(i), asked: make(chan *bulkheadv1.Task, 64)}
		hello := &bulkheadv1.Hello{ClientId: []byte(c.id), Agent: &bulkheadv1.Agent{Name: fmt.Sprintf("n%04d", i)},
			Labels: map[string]string{"rack": fmt.Sprint(i % 256)}}
		if err := f.Join(hello, "p", nil, c); err != nil {
			t.Fatal(err)
		}
		f.Report(c.id, c, &bulkheadv1.AgentReport{})
		all.Go(func() { // ends with done
			for {
				select {
				case ask := <-c.asked:
					if r := answer(i, ask); r != nil {
						f.Report(c.id, c, r)
					}
				case <-done:
					return
				}
			}
		})
	}
	return f
}

func possible(ask *bulkheadv1.Task) *bulkheadv1.AgentReport {
	return &bulkheadv1.AgentReport{Tasks: []*bulkheadv1.TaskReport{{TaskId: ask.GetTaskId(),
		State: bulkheadv1.TaskState_TASK_STATE_POSSIBLE}}}
}

// dryRun asks a fleet whether it could do a job of so many entries, one for each rack, and returns how
// often something was told.
func dryRun(f *fleet.Fleet, entries int) (told map[string]int, err error) {
	j := &bulkheadv1.Job{Name: "j"}
	for i := range entries {
		j.Clients = append(j.Clients, &bulkheadv1.JobEntry{Labels: map[string]string{"rack": fmt.Sprint(i)}})
	}
	told = make(map[string]int)
	d := NewDesk()
	d.Fleet = f
	err = d.Could(context.Background(), &bulkheadv1.RunJobRequest{Job: j, WaitNano: int64(time.Minute)},
		func(e *bulkheadv1.JobEvent) { told[e.GetTask().GetAgent()]++ })
	return told, err
}

// A job of as many entries as can be, on as many agents, is matched and asked.
func TestAJobOfManyEntriesOnManyAgents(t *testing.T) {
	f := newCrowd(t, fleet.Most, func(_ int, ask *bulkheadv1.Task) *bulkheadv1.AgentReport { return possible(ask) })
	told, err := dryRun(f, config.MaxJobEntries)
	if err != nil || len(told) != fleet.Most {
		t.Errorf("%d agents have answered; %v", len(told), err)
	}
	if _, err := dryRun(f, config.MaxJobEntries+1); err == nil || !strings.Contains(err.Error(), "has 257 entries") {
		t.Errorf("a job of one entry more: %v", err)
	}
}

// What an agent says of tasks that are not its own, or that nobody has sent, counts for nobody; what it
// says again and again is told a few times; and of many that refuse, some are named.
func TestAgentsThatSayTooMuch(t *testing.T) {
	var mu sync.Mutex
	var tasks []*bulkheadv1.Task
	f := newCrowd(t, 40, func(i int, ask *bulkheadv1.Task) *bulkheadv1.AgentReport {
		mu.Lock()
		defer mu.Unlock()
		tasks = append(tasks, ask)
		r := possible(ask)
		r.Tasks[0].State, r.Tasks[0].Detail = bulkheadv1.TaskState_TASK_STATE_REFUSED, strings.Repeat("x", 1<<10)
		for k := range 8 { // others', and those of nobody
			of := tasks[k%len(tasks)]
			r.Tasks = append(r.Tasks, &bulkheadv1.TaskReport{TaskId: of.GetTaskId(),
				State: bulkheadv1.TaskState_TASK_STATE_ENDED})
		}
		return r
	})
	told, err := dryRun(f, 40)
	if err == nil || strings.Count(err.Error(), "cannot") != mostNamed || !strings.Contains(err.Error(), "30 more") {
		t.Errorf("the job: %.300v", err)
	}
	for name, n := range told {
		if n != 1 {
			t.Errorf("%s is told %d times", name, n)
		}
	}
}

// Whether an agent could is answered by yes or no alone, and what it says comes in nobody else's words: not
// in a line of its own, nor with what moves a screen.
func TestAgentsThatAnswerOtherwise(t *testing.T) {
	const other = "\x1b[2J\nbulkhead: all is well\r"
	f := newCrowd(t, 1, func(_ int, ask *bulkheadv1.Task) *bulkheadv1.AgentReport {
		r := possible(ask)
		r.Tasks[0].State, r.Tasks[0].Detail = bulkheadv1.TaskState_TASK_STATE_REFUSED, other
		return r
	})
	want := `agent n0000 cannot: \x1b[2J; bulkhead: all is well`
	if _, err := dryRun(f, 1); err == nil || err.Error() != want {
		t.Errorf("one that refuses: %q; want %q", err, want)
	}
	for _, state := range []bulkheadv1.TaskState{bulkheadv1.TaskState_TASK_STATE_RUNNING,
		bulkheadv1.TaskState_TASK_STATE_ENDED, 77} {
		t.Run(state.String(), func(t *testing.T) {
			t.Parallel()
			f := newCrowd(t, 1, func(_ int, ask *bulkheadv1.Task) *bulkheadv1.AgentReport {
				r := possible(ask)
				r.Tasks[0].State = state
				return r
			})
			if _, err := dryRun(f, 1); err == nil || err.Error() != "agent n0000 has not answered" {
				t.Errorf("one that answers otherwise: %v", err)
			}
		})
	}
	ended := []share{{agent: fleet.Agent{Name: "a"}, told: &bulkheadv1.TaskReport{Detail: other,
		State: bulkheadv1.TaskState_TASK_STATE_ENDED}}}
	want = `agent a has not brought its client: \x1b[2J; bulkhead: all is well`
	if why := inVain(ended, false); why != want {
		t.Errorf("in vain: %q; want %q", why, want)
	}
}

// An agent that changes what it says without end is told so many times.
func TestAFloodOfReports(t *testing.T) {
	task := &bulkheadv1.Task{TaskId: []byte("t")}
	l := &crowd{asked: make(chan *bulkheadv1.Task, 1)}
	f := fleet.New(time.Now)
	if err := f.Join(&bulkheadv1.Hello{ClientId: []byte("1"), Agent: &bulkheadv1.Agent{Name: "a"}}, "p", nil,
		l); err != nil {
		t.Fatal(err)
	}
	told := 0
	r := runner{Supervisor: Supervisor{Fleet: f}, tell: func(*bulkheadv1.JobEvent) { told++ }}
	shares := []share{{agent: fleet.Agent{ID: "1", Connections: 1}, task: task}}
	for looks := range 3 * mostTold {
		report := possible(task)
		report.Tasks[0].Detail = fmt.Sprint(looks)
		f.Report("1", l, report)
		r.look(shares)
	}
	if told != mostTold {
		t.Errorf("it is told %d times; want %d", told, mostTold)
	}
}

// openRun is one that others may join.
type openRun struct {
	Run
	joins int
}

func (r *openRun) Joined(string) bool { return false }

func (r *openRun) Latecomers() []*bulkheadv1.JobClient { return nil }
func (r *openRun) Joins(*bulkheadv1.JobClient) error   { r.joins++; return nil }

// Agents that come under one name after the other while a run goes on that others may join are no more
// than there can be at a time.
func TestLatecomersWithoutEnd(t *testing.T) {
	f, l := fleet.New(time.Now), &crowd{asked: make(chan *bulkheadv1.Task, 1)}
	run, j := &openRun{}, &bulkheadv1.Job{Name: "j", JoinNow: true, Clients: []*bulkheadv1.JobEntry{{All: true}}}
	entries, err := entriesOf(j)
	if err != nil {
		t.Fatal(err)
	}
	r := runner{Supervisor: Supervisor{Fleet: f}, tell: func(*bulkheadv1.JobEvent) {}}
	var shares []share
	for i := range fleet.Most + 100 {
		id := fmt.Sprint("agent ", i)
		if err := f.Join(&bulkheadv1.Hello{ClientId: []byte(id), Agent: &bulkheadv1.Agent{Name: id}}, "p", nil,
			l); err != nil {
			t.Fatal(err)
		}
		f.Report(id, l, &bulkheadv1.AgentReport{})
		shares = r.latecomers(run, j, entries, shares)
		select {
		case task := <-l.asked: // it could
			shares[len(shares)-1].told = possible(task).GetTasks()[0]
			shares = r.latecomers(run, j, entries, shares)
			<-l.asked // and does
		default:
		}
		f.Leave(id, l)
	}
	if len(shares) != fleet.Most || run.joins != fleet.Most {
		t.Errorf("%d agents have a part, and %d have joined; want %d", len(shares), run.joins, fleet.Most)
	}
}
