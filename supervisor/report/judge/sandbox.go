package judge

import (
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// unlocked finds that handlers were locked in less than they could have been.
func unlocked(r *report.Report) []report.Finding {
	s := r.Run.Sandbox
	if s == nil || s.State == report.SandboxFull && s.UnlockedHandlers == 0 {
		return nil
	}
	return []report.Finding{{Kind: report.FindingSandbox,
		Text: "a handler that one of the clients takes over is held by less than it could be: it may reach what is " +
			"not its client's",
		Evidence: "the handlers' sandbox is " + words.Sandbox(s), Threshold: "full"}}
}
