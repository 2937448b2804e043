package words

import (
	"fmt"

	"bulkhead/supervisor/report"
)

// Headline returns the headline of a verdict, as Verdict.Headline has it.
func Headline(r *report.Report) string {
	words := closed(r)
	if r.Verdict.Running {
		words = atWork(r)
	}
	if bad := RunBadContent(r); bad != "" {
		return bad + "; " + words
	}
	return words
}

// atWork returns how many clients are at work.
func atWork(r *report.Report) string {
	if len(r.Clients) == 0 {
		return "no client has come yet"
	}
	atWork := 0
	for i := range r.Clients {
		if Connected(&r.Clients[i]) {
			atWork++
		}
	}
	text := fmt.Sprintf("%d of %s at work", atWork, Plural(uint64(len(r.Clients)), "client"))
	if closed := r.Outcomes(report.OutcomeClosed); closed > 0 {
		text += fmt.Sprintf(", %d closed", closed)
	}
	return text
}

// closed returns how many clients closed.
func closed(r *report.Report) string {
	if len(r.Clients) == 0 {
		return "no client came"
	}
	text := fmt.Sprintf("%d of %s closed", r.Outcomes(report.OutcomeClosed), Plural(uint64(len(r.Clients)), "client"))
	if n := CutShort(r); n > 0 {
		by := "an operator"
		if r.Run.DrainCause != "" && r.Run.DrainCause != report.DrainByOperator {
			by = "the drain"
		}
		text += fmt.Sprintf(", %d cut short by %s", n, by)
	}
	return text
}
