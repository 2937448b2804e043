package report

import "fmt"

// labelOf returns how a report calls a client: its name, with its session number
// behind it if others share the name.
func labelOf(name string, session uint32, shared bool) string {
	switch {
	case name == "":
		return fmt.Sprintf("session %d", session)
	case shared:
		return fmt.Sprintf("%s#%d", name, session)
	default:
		return name
	}
}

// processName returns how a report calls a process of a client.
func processName(p *Process) string {
	if p.Kind == KindConsumer {
		return fmt.Sprintf("%s %d", p.Kind, p.Index)
	}
	return p.Kind
}
