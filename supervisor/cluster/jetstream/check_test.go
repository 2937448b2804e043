package jetstream

import (
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/engine"
)

// TestJudge judges what nodes may tell.
func TestJudge(t *testing.T) {
	good := Facts{Version: "2.15.3", JetStream: true, SyncAlways: true, MaxPayload: 8 << 20, Cluster: "c", Peers: 3}
	three := func(change func(*Facts)) []Facts {
		list := []Facts{good, good, good}
		for i := range list {
			list[i].Name = []string{"n1", "n2", "n3"}[i]
		}
		change(&list[1])
		return list
	}
	for _, one := range []struct {
		name  string
		nodes []Facts
		want  []string // each in the line of one problem
	}{
		{"all is well", three(func(*Facts) {}), nil},
		{"a later one", three(func(f *Facts) { f.Version = "3.0.0" }), nil},
		{"an old program", three(func(f *Facts) { f.Version = "2.9.25" }),
			[]string{"node n2 of the engine: it is nats-server 2.9.25: install 2.15 or later"}},
		{"no version", three(func(f *Facts) { f.Version = "" }), []string{"install 2.15"}},
		{"default sync", three(func(f *Facts) { f.SyncAlways, f.SyncInterval = false, 2*time.Minute }),
			[]string{"acknowledged since: set jetstream { sync_interval: always }"}},
		{"small messages", three(func(f *Facts) { f.MaxPayload = 1 << 20 }), []string{"set max_payload: 4"}},
		{"no JetStream", three(func(f *Facts) { f.JetStream = false }), []string{"JetStream is off"}},
		{"two of them", three(func(*Facts) {})[:2], []string{"2 nodes were asked, and each record is to be on 3"}},
		{"one asked twice", []Facts{three(func(*Facts) {})[0], three(func(*Facts) {})[0]},
			[]string{"1 nodes were asked"}},
		{"another cluster", three(func(f *Facts) { f.Cluster = "d" }), []string{`it is of the cluster "d"`}},
		{"one alone", three(func(f *Facts) { f.Peers = 0 }), []string{"its cluster has 1 nodes"}},
	} {
		t.Run(one.name, func(t *testing.T) {
			got := Judge(one.nodes, Need{MaxFrame: 4 << 20})
			if len(got) != len(one.want) {
				t.Fatalf("%v; want %q", got, one.want)
			}
			for i, p := range got {
				if !strings.Contains(p.String(), one.want[i]) {
					t.Errorf("%v; want %q in it", p, one.want[i])
				}
			}
		})
	}
}

// TestCheckOfRealNodes checks a cluster as it must be, one with the engine's default sync, a node
// alone, and one that is not there.
func TestCheckOfRealNodes(t *testing.T) {
	need := Need{MaxFrame: 4 << 20}
	good := engine.Start(t, engine.Options{})
	if p := Check(t.Context(), good.Monitors(), need); len(p) > 0 {
		t.Errorf("three nodes as they must be: %v", p)
	}
	alone := engine.Start(t, engine.Options{Nodes: 1, SyncInterval: "2m", MaxPayload: 1 << 20})
	said := ""
	for _, p := range Check(t.Context(), alone.Monitors(), need) {
		said += p.String() + "\n"
		if p.Unproven != (strings.Contains(p.What, "were asked") || strings.Contains(p.What, "it syncs every")) {
			t.Errorf("unproven is %v: %v", p.Unproven, p)
		}
	}
	for _, setting := range []string{"sync_interval: always", "max_payload: 4", "routes: [", "at least 3 nodes"} {
		if !strings.Contains(said, setting) {
			t.Errorf("the problems of a node alone do not name %q:\n%s", setting, said)
		}
	}
	good.Nodes[2].Kill()
	for _, p := range Check(t.Context(), good.Monitors(), need) {
		if !p.Unproven {
			t.Errorf("with a node that is not there: %v", p)
		}
	}
	if len(Check(t.Context(), good.Monitors(), need)) != 2 { // it, and that there are not enough
		t.Errorf("with a node that is not there: %v", Check(t.Context(), good.Monitors(), need))
	}
}
