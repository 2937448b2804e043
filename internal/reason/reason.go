// Package reason puts the reason of a status into its details, as collector.proto says
// it, and finds it there: a google.rpc.ErrorInfo.
package reason

import (
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Domain is who gives the reasons.
const Domain = "bulkhead"

// Keys of the metadata that come with reasons.
const (
	// Field names the field that is wrong, as a path from the ClientFrame.
	Field = "field"
	// Limit, Most and Got are a limit's name in Limits, its value, and what came instead.
	Limit = "limit"
	Most  = "most"
	Got   = "got"
	// Outcome, After and Run are a session's that is over: lost, rejected or quarantined,
	// its last durable message, and the run that has it.
	Outcome = "outcome"
	After   = "after"
	Run     = "run"
)

const prefix = "REASON_"

// Info returns r as a detail of a status.
func Info(r bulkheadv1.Reason, metadata map[string]string) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{Domain: Domain, Reason: strings.TrimPrefix(r.String(), prefix), Metadata: metadata}
}

// Name returns r without its prefix, "" for none, or its number if this version does not know it.
func Name(r bulkheadv1.Reason) string {
	if r == bulkheadv1.Reason_REASON_UNSPECIFIED {
		return ""
	}
	return strings.TrimPrefix(r.String(), prefix)
}

// Of returns the reason that a status carries, and its metadata; unspecified if it carries
// none, or one that this version does not know.
func Of(s *status.Status) (bulkheadv1.Reason, map[string]string) {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == Domain {
			return bulkheadv1.Reason(bulkheadv1.Reason_value[prefix+info.GetReason()]), info.GetMetadata()
		}
	}
	return bulkheadv1.Reason_REASON_UNSPECIFIED, nil
}
