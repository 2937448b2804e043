// Package hello says what a client's Hello may hold. Handlers check it for their
// clients, and the supervisor again, because a handler may have been taken over.
package hello

import (
	"fmt"
	"strings"
	"unicode"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// The bounds of a Hello, as collector.proto states them.
const (
	clientIDBytes = 16
	maxNameBytes  = 128
	maxHostBytes  = 255
	MaxLabels     = 32
	maxLabelBytes = 128
	maxTokenBytes = 1024
	MaxConsumers  = 1024
	maxEndBytes   = 1024
	// maxVersionBytes is a client's own name for its version.
	maxVersionBytes = 128
	maxPathBytes    = 4096
	// MaxChunkSizes is the most chunk sizes of one consumer.
	MaxChunkSizes = 64
)

// Check returns what is wrong with the form of a Hello, for a person; "" if nothing is.
// Its protocol version is the caller's to look at.
func Check(h *bulkheadv1.Hello) string {
	switch {
	case len(h.GetClientId()) != clientIDBytes:
		return fmt.Sprintf("Hello.client_id has %d bytes; it must have %d", len(h.GetClientId()), clientIDBytes)
	case h.GetName() == "" || len(h.GetName()) > maxNameBytes:
		return fmt.Sprintf("Hello.name has %d bytes; it must have 1 to %d", len(h.GetName()), maxNameBytes)
	case !printable(h.GetName()):
		return fmt.Sprintf("Hello.name %q has characters that cannot be printed", h.GetName())
	case len(h.GetHost()) > maxHostBytes:
		return fmt.Sprintf("Hello.host has %d bytes; at most %d are allowed", len(h.GetHost()), maxHostBytes)
	case len(h.GetLabels()) > MaxLabels:
		return fmt.Sprintf("Hello has %d labels; at most %d are allowed", len(h.GetLabels()), MaxLabels)
	case len(h.GetToken()) > maxTokenBytes:
		return fmt.Sprintf("Hello.token has %d bytes; at most %d are allowed", len(h.GetToken()), maxTokenBytes)
	case len(h.GetLastEnd()) > maxEndBytes:
		return fmt.Sprintf("Hello.last_end has %d bytes; at most %d are allowed", len(h.GetLastEnd()), maxEndBytes)
	case len(h.GetClientVersion()) > maxVersionBytes:
		return fmt.Sprintf("Hello.client_version has %d bytes; at most %d are allowed", len(h.GetClientVersion()), maxVersionBytes)
	}
	for k, v := range h.GetLabels() {
		if len(k) > maxLabelBytes || len(v) > maxLabelBytes {
			return fmt.Sprintf("label %.64q: keys and values may have %d bytes at most", k, maxLabelBytes)
		}
	}
	return checkWorkload(h.GetWorkload())
}

func checkWorkload(w *bulkheadv1.Workload) string {
	if n := len(w.GetConsumers()); n > MaxConsumers {
		return fmt.Sprintf("Hello.workload has %d consumers; at most %d are allowed", n, MaxConsumers)
	}
	for _, c := range w.GetConsumers() {
		if n := len(c.GetPath()); n > maxPathBytes {
			return fmt.Sprintf("Hello.workload: the path of consumer %d has %d bytes; at most %d are allowed", c.GetIndex(), n, maxPathBytes)
		}
		if n := len(c.GetChunkSizes()); n > MaxChunkSizes {
			return fmt.Sprintf("Hello.workload: consumer %d has %d chunk sizes; at most %d are allowed", c.GetIndex(), n, MaxChunkSizes)
		}
	}
	return ""
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
