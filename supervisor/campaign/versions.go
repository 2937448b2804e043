package campaign

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// VersionsText returns who is of which version, for a person. Names come from agents, and are not
// cleaned.
func VersionsText(v *bulkheadv1.JobVersions) string {
	parts := []string{"the supervisor is " + human.OrDash(v.GetSupervisor())}
	for _, of := range v.GetAgents() {
		names, more := of.GetAgents(), ""
		if n := len(names) - mostNamed; n > 0 {
			names, more = names[:mostNamed], fmt.Sprintf(" and %d more", n)
		}
		parts = append(parts, fmt.Sprintf("%s%s: %s", strings.Join(names, ", "), more, human.OrDash(of.GetVersion())))
	}
	return strings.Join(parts, "; ")
}
