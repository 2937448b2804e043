package protocol

import (
	"fmt"
	"strings"
	"unicode"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Version is the version of the Collector protocol that is spoken here, and Minor how far
// it has grown; see Hello.protocol_minor. RecordMinor is how far the journal's records have;
// see RunStarted.record_minor. HandlerVersion is the version of HandlerService, between
// supervisor and handler.
const (
	Version        = 1
	Minor          = 7
	RecordMinor    = 1
	HandlerVersion = 1
)

// Since what was told in words before is told by fields.
const (
	// MinorGone has HeartbeatMiss.gone.
	MinorGone = 2
	// MinorGather has what a run that gathers needs: a client of less cannot wait for the others.
	MinorGather = 3
	// MinorAgent has agents.
	MinorAgent = 4
	// MinorStages has stages.
	MinorStages = 5
	// MinorTogether has stages that begin for all clients together.
	MinorTogether = 6
	// MinorShare has the shares of a fleet's rate.
	MinorShare = 7
	// RecordMinorLoss has lost_acknowledged and torn_damaged.
	RecordMinorLoss = 1
)

// Fault is what is wrong with a Hello.
type Fault struct {
	// Field is the field, as a path from the ClientFrame; Text is for a person.
	Field, Text string
}

func wrong(field, format string, args ...any) *Fault {
	return &Fault{"hello." + field, fmt.Sprintf(format, args...)}
}

// CheckHello returns what is wrong with the form of a Hello; nil if nothing is. Its protocol
// version is the caller's to look at.
func CheckHello(h *bulkheadv1.Hello) *Fault {
	switch {
	case len(h.GetClientId()) != ClientIDBytes:
		return wrong("client_id", "Hello.client_id has %d bytes; it must have %d", len(h.GetClientId()), ClientIDBytes)
	case h.GetAgent() != nil:
		if f := checkAgent(h); f != nil {
			return f
		}
	case h.GetName() == "" || len(h.GetName()) > MaxNameBytes:
		return wrong("name", "Hello.name has %d bytes; it must have 1 to %d", len(h.GetName()), MaxNameBytes)
	case !Printable(h.GetName()):
		return wrong("name", "Hello.name %q has characters that cannot be printed", h.GetName())
	}
	switch {
	case len(h.GetHost()) > MaxHostBytes:
		return wrong("host", "Hello.host has %d bytes; at most %d are allowed", len(h.GetHost()), MaxHostBytes)
	case len(h.GetLabels()) > MaxLabels:
		return wrong("labels", "Hello has %d labels; at most %d are allowed", len(h.GetLabels()), MaxLabels)
	case len(h.GetToken()) > MaxTokenBytes:
		return wrong("token", "Hello.token has %d bytes; at most %d are allowed", len(h.GetToken()), MaxTokenBytes)
	case len(h.GetLastEnd()) > MaxEndBytes:
		return wrong("last_end", "Hello.last_end has %d bytes; at most %d are allowed", len(h.GetLastEnd()),
			MaxEndBytes)
	case len(h.GetClientVersion()) > MaxVersionBytes:
		return wrong("client_version", "Hello.client_version has %d bytes; at most %d are allowed",
			len(h.GetClientVersion()), MaxVersionBytes)
	case len(h.GetRunId()) > MaxRunBytes:
		return wrong("run_id", "Hello.run_id has %d bytes; at most %d are allowed", len(h.GetRunId()), MaxRunBytes)
	case len(h.GetShortened()) > MaxShortened:
		return wrong("shortened", "Hello.shortened has %d entries; at most %d are allowed", len(h.GetShortened()),
			MaxShortened)
	case len(h.GetInstance()) > maxInstance:
		return wrong("instance", "Hello.instance has %d bytes; at most %d are allowed", len(h.GetInstance()),
			maxInstance)
	case len(h.GetContinues().GetRunId()) > MaxRunBytes:
		return wrong("continues.run_id", "Hello.continues.run_id has %d bytes; at most %d are allowed",
			len(h.GetContinues().GetRunId()), MaxRunBytes)
	case h.GetContinues() != nil && len(h.GetContinues().GetClientId()) != ClientIDBytes:
		return wrong("continues.client_id", "Hello.continues.client_id has %d bytes; it must have %d",
			len(h.GetContinues().GetClientId()), ClientIDBytes)
	}
	for k, v := range h.GetLabels() {
		if len(k) > MaxLabelBytes || len(v) > MaxLabelBytes {
			return wrong("labels", "label %.64q: keys and values may have %d bytes at most", k, MaxLabelBytes)
		}
	}
	return checkWorkload(h.GetWorkload())
}

// CheckNewName returns what is wrong with the name of a client that is new; nil if nothing is.
// A client that was let in before there was this rule may have such a name.
func CheckNewName(name string) *Fault {
	if strings.TrimSpace(name) != name {
		return wrong("name", "Hello.name %q begins or ends with a blank, which nobody sees", name)
	}
	return nil
}

// CheckClientID returns what is wrong with a client id of the right length; nil if nothing is. A
// client that was let in before there was this rule may have such an id.
func CheckClientID(id []byte) *Fault {
	for _, b := range id {
		if b != id[0] {
			return nil
		}
	}
	return wrong("client_id", "Hello.client_id is the same byte each time; it must be random")
}

func checkWorkload(w *bulkheadv1.Workload) *Fault {
	if n := len(w.GetConsumers()); n > MaxConsumers {
		return wrong("workload.consumers", "Hello.workload has %d consumers; at most %d are allowed", n, MaxConsumers)
	}
	if n := len(w.GetStages()); n > MaxStages {
		return wrong("workload.stages", "Hello.workload has %d stages; at most %d are allowed", n, MaxStages)
	}
	for i, s := range w.GetStages() {
		if n := len(s.GetName()); n > MaxStageNameBytes {
			return wrong(fmt.Sprintf("workload.stages[%d].name", i),
				"Hello.workload: the name of stage %d has %d bytes; at most %d are allowed", i+1, n, MaxStageNameBytes)
		}
	}
	for i, c := range w.GetConsumers() {
		at := fmt.Sprintf("workload.consumers[%d].", i)
		if n := len(c.GetPath()); n > MaxPathBytes {
			return wrong(at+"path", "Hello.workload: the path of consumer %d has %d bytes; at most %d are allowed",
				c.GetIndex(), n, MaxPathBytes)
		}
		if n := len(c.GetPathBytes()); n > MaxPathBytes {
			return wrong(at+"path_bytes",
				"Hello.workload: the path of consumer %d has %d bytes; at most %d are allowed", c.GetIndex(), n,
				MaxPathBytes)
		}
		if n := len(c.GetChunkSizes()); n > MaxChunkSizes {
			return wrong(at+"chunk_sizes", "Hello.workload: consumer %d has %d chunk sizes; at most %d are allowed",
				c.GetIndex(), n, MaxChunkSizes)
		}
	}
	return nil
}

// Printable reports whether a name can be shown as it is.
func Printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
