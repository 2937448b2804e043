package jetstream

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Need is what a supervisor needs of the engine.
type Need struct {
	// Replicas is how many nodes must keep each record; 0 is 3.
	Replicas int
	// MaxFrame is the largest frame of a client that is taken (session.max_frame), in bytes.
	MaxFrame int
}

// frameRoom is what a message needs beside the frame that it carries: headers and the record's own.
const frameRoom = maxHeaderBytes + 16<<10

// leastMajor and leastMinor are the oldest program that a run may rely on: two writers can pass one
// fence in some before it.
const leastMajor, leastMinor = 2, 15

// Problem is why an engine cannot have a run.
type Problem struct {
	// Node is its name, or where it was asked; "" is all of them.
	Node string
	// What is wrong, and what to change, for a person.
	What, Change string
	// Unproven says that the engine works, and nobody knows whether what it acknowledges is durable:
	// who wants can go on, and has it in the report.
	Unproven bool
}

// String returns the problem in a line.
func (p Problem) String() string {
	line := p.What + ": " + p.Change
	if p.Node == "" {
		return "the engine: " + line
	}
	return "node " + p.Node + " of the engine: " + line
}

// Judge returns why nodes of which these are the facts do not do; nothing if they do.
func Judge(nodes []Facts, need Need) (problems []Problem) {
	if need.Replicas == 0 {
		need.Replicas = 3
	}
	names := make(map[string]bool)
	for _, n := range nodes {
		names[n.Name] = true
		problems = append(problems, judgeNode(n, need)...)
	}
	if len(names) < need.Replicas {
		problems = append(problems, Problem{Unproven: true,
			What:   fmt.Sprintf("%d nodes were asked, and each record is to be on %d", len(names), need.Replicas),
			Change: fmt.Sprintf("name the monitoring addresses of at least %d nodes (http: 8222)", need.Replicas)})
	}
	for _, n := range nodes {
		if n.Cluster != nodes[0].Cluster {
			problems = append(problems, Problem{Node: n.Name,
				What: fmt.Sprintf("it is of the cluster %q, and node %s of %q", n.Cluster, nodes[0].Name,
					nodes[0].Cluster),
				Change: "set the same cluster { name: … } on all, and routes to each other"})
		}
	}
	return problems
}

// judgeNode returns what is wrong with one node.
func judgeNode(n Facts, need Need) (problems []Problem) {
	add := func(what, change string) {
		problems = append(problems, Problem{Node: n.Name, What: what, Change: change})
	}
	if !recent(n.Version) {
		add(fmt.Sprintf("it is nats-server %s", n.Version),
			fmt.Sprintf("install %d.%d or later", leastMajor, leastMinor))
	}
	if !n.JetStream {
		add("JetStream is off", "set jetstream { store_dir: … }")
		return problems
	}
	if !n.SyncAlways {
		add(fmt.Sprintf("it syncs every %v, and loses with the power what it has acknowledged since", n.SyncInterval),
			"set jetstream { sync_interval: always }")
		problems[len(problems)-1].Unproven = true
	}
	if least := need.MaxFrame + frameRoom; n.MaxPayload < least {
		add(fmt.Sprintf("a message may have %d bytes, and one with the largest frame has %d", n.MaxPayload, least),
			fmt.Sprintf("set max_payload: %d", least))
	}
	if max(n.Peers, 1) < need.Replicas {
		add(fmt.Sprintf("its cluster has %d nodes, and each record is to be on %d", max(n.Peers, 1), need.Replicas),
			"set cluster { name: …, listen: …, routes: [ … ] } on each node, with routes to the others")
	}
	return problems
}

// recent reports whether a version is one that a run may rely on.
func recent(version string) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 3 {
		return false
	}
	major, err := strconv.Atoi(parts[0])
	minor, wrong := strconv.Atoi(parts[1])
	if err != nil || wrong != nil {
		return false
	}
	return major > leastMajor || major == leastMajor && minor >= leastMinor
}

// Check asks the nodes at their monitoring addresses, and judges what they tell. A node that cannot be
// asked is a problem too: what it does is not proven.
func Check(ctx context.Context, monitors []string, need Need) []Problem {
	var nodes []Facts
	var problems []Problem
	for _, at := range monitors {
		facts, err := FactsOf(ctx, at)
		if err != nil {
			problems = append(problems, Problem{Node: at, Unproven: true, What: err.Error(),
				Change: "start the node, or set http: 8222 and let this machine reach it"})
			continue
		}
		nodes = append(nodes, facts)
	}
	return append(problems, Judge(nodes, need)...)
}
