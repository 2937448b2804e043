package conformance

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// seen is what clients have said in all scenarios together.
type seen struct {
	ids      map[string]bool // of clients
	hellos   int
	goodbyes int
	facts    map[protoreflect.Name]int
	told     map[string]bool // optional things, by their name
}

// optional are the things that a client need not say, and what a report lacks without them.
var optional = []struct{ name, without string }{
	{"Hello.workload", "the report cannot show what was to be written"},
	{"Hello.host", "the report cannot tell machines apart"},
	{"Hello.run_id", "a late return may open a session in the next run"},
	{"Hello.instance", "two copies of one client are hard to tell apart"},
	{"Hello.client_version", "the report cannot say which program it was"},
	{"Hello.run_id", "a client that is back late, to another run, begins a session there"},
	{"Hello.instance", "two copies of one client, such as of a cloned machine, are not told apart at once"},
	{"Message.time_unix_nano", "messages have no time"},
	{"Message.elapsed_nano", "durations and rates are wrong when the clock is set"},
	{"Start", "processes have no beginning"},
	{"Stop", "how the load ended stays unknown"},
	{"Heartbeat", "a worker that is stuck is not noticed"},
	{"Progress", "there are no rates, and files without a Rollover are not counted"},
	{"Progress.chunk_write", "there are no latencies"},
	{"Rollover", "files are not listed"},
	{"Monitor", "the load's own processor time and memory are unknown"},
	{"Machine", "what the devices, the memory and the network of the machine did is unknown"},
}

func newSeen() *seen {
	return &seen{ids: make(map[string]bool), facts: make(map[protoreflect.Name]int), told: make(map[string]bool)}
}

func (s *seen) tell(name string, said bool) {
	if said {
		s.told[name] = true
	}
}

func (s *seen) hello(h *bulkheadv1.Hello) {
	s.hellos++
	s.tell("Hello.workload", h.GetWorkload() != nil)
	s.tell("Hello.run_id", h.GetRunId() != "")
	s.tell("Hello.instance", len(h.GetInstance()) > 0)
	s.tell("Hello.host", h.GetHost() != "")
	s.tell("Hello.run_id", h.GetRunId() != "")
	s.tell("Hello.instance", len(h.GetInstance()) > 0)
	s.tell("Hello.client_version", h.GetClientVersion() != "")
}

func (s *seen) messages(list []*bulkheadv1.Message) {
	for _, m := range list {
		s.tell("Message.time_unix_nano", m.GetTimeUnixNano() != 0)
		s.tell("Message.elapsed_nano", m.GetElapsedNano() != 0)
		s.tell("Progress.chunk_write", m.GetProgress().GetChunkWrite() != nil)
		r := m.ProtoReflect()
		f := r.WhichOneof(r.Descriptor().Oneofs().ByName("fact"))
		if f == nil {
			continue // a fact of a newer client
		}
		s.facts[f.Name()]++
		s.told[string(f.Message().Name())] = true
	}
}

// left returns what no client said, and why that matters.
func (s *seen) left() []string {
	if s.hellos == 0 {
		return nil
	}
	var out []string
	for _, o := range optional {
		if !s.told[o.name] {
			out = append(out, fmt.Sprintf("%s: %s", o.name, o.without))
		}
	}
	return out
}
