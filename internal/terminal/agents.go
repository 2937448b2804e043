package terminal

import (
	"bytes"
	"fmt"

	"math"
	"strings"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
	"bulkhead/internal/table"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// printAgents prints the agents, if there are any.
func printAgents(w *bytes.Buffer, agents []*bulkheadv1.AgentStatus) {
	if len(agents) == 0 {
		return
	}
	t := table.New("AGENT", "STATE", "LABELS", "ALLOWED", "TASK", "HOST", "PEER", "VERSION")
	for _, a := range agents {
		state := "connected"
		if a.GetAway() {
			state = "away"
		}
		state += " " + human.Clock(time.Duration(a.GetSinceNano()))
		task := "-"
		if a.GetTask() != nil {
			task = protocol.Word(a.GetTask().GetState())
		}
		var allowed []string
		for _, one := range a.GetAllowances() {
			allowed = append(allowed, fmt.Sprintf("%s:%s", one.GetPath(), human.BriefSize(one.GetBytes())))
		}
		if most := time.Duration(a.GetMaxRuntimeNano()); most > 0 {
			allowed = append(allowed, "for "+human.ExactDuration(most))
		}
		t.Row(clean(a.GetName()), state, orDash(clean(strings.Join(a.GetLabels(), ","))),
			orDash(clean(strings.Join(allowed, ","))), task, orDash(clean(a.GetHost())), orDash(clean(a.GetPeer())),
			orDash(clean(a.GetVersion())))
	}
	fmt.Fprintln(w)
	t.Write(w, "", math.MaxInt)
}
