package model

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// small is a run that takes a moment.
func small() Params {
	p := Default()
	p.Clients, p.Supervisors = 120, 3
	return p
}

// TestASeedDecidesEverything checks that a run is the same again with its seed, and another with another.
func TestASeedDecidesEverything(t *testing.T) {
	for _, fault := range Faults() {
		run := func(seed uint64) Result {
			r, err := Run(small(), fault, 15*time.Second, seed)
			if err != nil {
				t.Fatalf("%s: %v", fault, err)
			}
			r.Seed = 0
			return r
		}
		first := run(7)
		if again := run(7); !reflect.DeepEqual(first, again) {
			t.Errorf("%s: the same seed gives\n%+v\nand\n%+v", fault, first, again)
		}
		if other := run(8); reflect.DeepEqual(first, other) {
			t.Errorf("%s: two seeds give the same", fault)
		}
	}
}

// TestEveryMessageIsAcknowledgedOnce simulates runs of all kinds. Run checks that each message is durable
// once and acknowledged, whatever broke.
func TestEveryMessageIsAcknowledgedOnce(t *testing.T) {
	runs := 30
	if testing.Short() {
		runs = 10
	}
	for seed := range uint64(runs) {
		random := rand.New(rand.NewPCG(seed, 99))
		p := Default()
		p.Clients, p.Supervisors = 1+random.IntN(300), 2+random.IntN(5)
		p.Nodes, p.Shards, p.Consumers = 3+random.IntN(3), 1+random.IntN(16), 1+random.IntN(20)
		p.Spread = time.Duration(random.IntN(10)) * time.Second
		p.HostCores, p.NodeCores, p.Pool = 1+random.IntN(8), 1+random.IntN(8), 1+random.IntN(16)
		p.InFlight, p.Gather, p.WindowBatches = 1+random.IntN(300), 1+random.IntN(40), 1+random.IntN(64)
		p.BatchMessages = 1 + random.IntN(100)
		p.Hop = time.Duration(random.IntN(20_000)) * us
		p.OneMachine = random.IntN(4) == 0
		if p.File = random.IntN(6) == 0; p.File {
			p.Supervisors = 1
		}
		all := Faults()
		fault := all[random.IntN(len(all))]
		if p.check(fault) != nil {
			fault = Nothing
		}
		r, err := Run(p, fault, time.Duration(1+random.IntN(40))*time.Second, seed)
		if err != nil {
			t.Errorf("seed %d, %s, %+v: %v", seed, fault, p, err)
		}
		if r.GaveUp == 0 && r.Made == 0 {
			t.Errorf("seed %d, %s: nothing was made in the window", seed, fault)
		}
		for _, u := range r.Uses {
			if u.Part < 0 || u.Part > 1.2 && u.Name != Slots { // a little is booked ahead, and slots of the whole wait
				t.Errorf("seed %d, %s: %s are used to %.2f", seed, fault, u.Name, u.Part)
			}
		}
	}
}

// TestFaultsAreFelt checks who feels what: who lost a supervisor is at another, a lost node is felt until
// a leader is elected, a slow disk by none as long as two are fast.
func TestFaultsAreFelt(t *testing.T) {
	results := map[Fault]Result{}
	for _, fault := range Faults() {
		r, err := Run(small(), fault, 30*time.Second, 3)
		if err != nil {
			t.Fatalf("%s: %v", fault, err)
		}
		results[fault] = r
	}
	calm := results[Nothing]
	if calm.Longest > time.Second || calm.Moved > 0 || calm.GaveUp > 0 || calm.Again > 0 {
		t.Errorf("nothing is lost: %+v", calm)
	}
	p := small()
	for _, fault := range []Fault{Supervisor, Process, Rack} {
		r := results[fault]
		if r.Moved < 20 || r.Moved > 60 ||
			r.TakeoverMax < p.OrphanGrace || r.TakeoverMax > p.OrphanGrace+5*time.Second {
			t.Errorf("%s: %d clients of 120 at 3 are at another after %v", fault, r.Moved, r.TakeoverMax)
		}
	}
	if r := results[Node]; r.Longest < p.ElectionLeast || r.Longest > p.ElectionMost+p.Patience || r.Again == 0 {
		t.Errorf("a lost node is felt for %v; elections take %v to %v", r.Longest, p.ElectionLeast, p.ElectionMost)
	}
}

// TestWhatCannotBeIsRefused checks parameters of which no run can be.
func TestWhatCannotBeIsRefused(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"no clients":       func(p *Params) { p.Clients = 0 },
		"no supervisor":    func(p *Params) { p.Supervisors = 0 },
		"two nodes":        func(p *Params) { p.Nodes = 2 },
		"no shard":         func(p *Params) { p.Shards = 0 },
		"a file for three": func(p *Params) { p.File = true },
		"no core":          func(p *Params) { p.HostCores = 0 },
		"no time":          func(p *Params) { p.Progress = 0 },
	} {
		p := small()
		change(&p)
		if _, err := Run(p, Nothing, time.Second, 1); err == nil {
			t.Errorf("%s: there is no error", name)
		}
	}
	p := small()
	p.Supervisors = 1
	if _, err := Run(p, Supervisor, time.Second, 1); err == nil {
		t.Error("the only supervisor is lost: there is no error")
	}
}

// TestASessionGathers checks that what comes while an append is on its way goes with the next one.
func TestASessionGathers(t *testing.T) {
	p := small()
	p.Consumers, p.Burst = 8, 10*ms
	for _, tt := range []struct {
		gather      int
		hop         time.Duration
		least, most float64 // appends a second of a client, whose batches are 6.5
	}{{32, 5 * ms, 1.5, 5}, {1, 5 * ms, 6.2, 6.8}, {32, us, 5, 6.8}} {
		p.Gather, p.Hop = tt.gather, tt.hop
		r, err := Run(p, Nothing, 20*time.Second, 1)
		if err != nil {
			t.Fatal(err)
		}
		if each := r.Appends / float64(p.Clients); each < tt.least || each > tt.most {
			t.Errorf("gather %d, hop %v: %.2f appends a second of a client; want %v to %v", tt.gather, tt.hop, each,
				tt.least, tt.most)
		}
	}
}

// TestOneOfTwoIsEnough checks that the clients of a supervisor that is lost all come to the only other
// one, however often it refuses them.
func TestOneOfTwoIsEnough(t *testing.T) {
	p := small()
	p.Clients, p.Supervisors = 600, 2
	for _, fault := range []Fault{Supervisor, Process} {
		if r, err := Run(p, fault, 20*time.Second, 1); err != nil || r.Moved < 250 {
			t.Errorf("%s: %d clients are at the other: %v", fault, r.Moved, err)
		}
	}
}
