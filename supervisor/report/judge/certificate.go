package judge

import (
	"fmt"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/linkzone"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// certificateSoon is how long before its end a certificate is a finding.
const certificateSoon = 14 * 24 * time.Hour

// certificateExpires finds that the supervisor's certificate was about to end at the end of the run,
// or had ended.
func certificateExpires(r *report.Report) []report.Finding {
	c := r.Run.Certificate
	if c == nil {
		return nil
	}
	until := time.Unix(0, int64(c.NotAfter)).UTC()
	left := until.Sub(time.Unix(0, int64(r.Run.EndedAt)))
	if left >= certificateSoon {
		return nil
	}
	f := report.Finding{Kind: report.FindingCertificate,
		Text:      fmt.Sprintf("the supervisor's certificate expires %s after the run", human.LongDuration(left)),
		Evidence:  fmt.Sprintf("the certificate of %s is valid until %s", c.Name, until.Format(time.DateTime+" MST")),
		Threshold: "less than " + human.LongDuration(certificateSoon) + " by the supervisor's clock"}
	if left <= 0 {
		f.Text = "the supervisor's certificate has expired: clients will not connect"
	}
	return []report.Finding{f}
}

// plainText finds that clients of other machines could come without TLS.
func plainText(r *report.Report) []report.Finding {
	if r.Run.Certificate != nil || r.Run.Listen == "" || linkzone.Loopback(r.Run.Listen) {
		return nil
	}
	return []report.Finding{{Kind: report.FindingPlainText,
		Text: "clients were spoken to in plain text: who is between them and the supervisor can read and change " +
			"everything, also the token",
		Evidence:  "the supervisor listened on " + r.Run.Listen + " without a certificate",
		Threshold: "an address that other machines reach"}}
}

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
