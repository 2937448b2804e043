package fleet

import (
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// mostShown is how many bytes of paths are kept of what an agent says that its owner allows, which is for
// people: as the agents are many, the whole would be too much to keep, and to show.
const mostShown = 4 << 10

// shown returns the allowances that are kept of an agent, and nothing that came with them.
func shown(all []*bulkheadv1.Allowance) (out []*bulkheadv1.Allowance) {
	left := mostShown
	for _, a := range all {
		if left -= len(a.GetPath()); left < 0 {
			return append(out, &bulkheadv1.Allowance{Path: "…"})
		}
		out = append(out, &bulkheadv1.Allowance{Path: a.GetPath(), Bytes: a.GetBytes()})
	}
	return out
}

// kept returns the reports of tasks, and nothing that came with them.
func kept(all []*bulkheadv1.TaskReport) (out []*bulkheadv1.TaskReport) {
	for _, t := range all {
		out = append(out, &bulkheadv1.TaskReport{TaskId: t.GetTaskId(), State: t.GetState(), Refusal: t.GetRefusal(),
			Detail: t.GetDetail(), ExitStatus: t.GetExitStatus(), Signal: t.GetSignal()})
	}
	return out
}

func same(a, b *bulkheadv1.TaskReport) bool { return proto.Equal(a, b) }

// mayFollow reports whether an agent may take the place of another: of one that has proven to be somebody
// nobody else may.
func mayFollow(was, is *bulkheadv1.Identity) bool {
	return was == nil || was.GetKind() == is.GetKind() && was.GetName() == is.GetName()
}
