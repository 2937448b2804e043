package client

import (
	"fmt"
	"io"

	"bulkhead/internal/pathname"
	"bulkhead/internal/plural"
)

// Text writes what became of the spool for a person.
func (r ResendResult) Text(w io.Writer) {
	verdict := "delivered"
	if !r.Complete() {
		verdict = "not all delivered"
	}
	fmt.Fprintf(w, "%s: %d of %s of client %s", verdict, r.Durable, plural.Of(r.Messages, "message"), r.Name)
	if r.Messages > 0 {
		fmt.Fprintf(w, " (%d to %d)", r.FirstSeq, r.LastSeq)
	}
	if r.RunID != "" {
		fmt.Fprintf(w, " to run %s", r.RunID)
	}
	if r.SessionID != "" {
		fmt.Fprintf(w, ", session %s", r.SessionID)
	}
	fmt.Fprintln(w)
	if r.Known > 0 {
		fmt.Fprintf(w, "  %d of them were there already\n", r.Known)
	}
	if r.Lost {
		fmt.Fprintf(w, "  the session of this client was lost in that run after message %d", r.LostAfter)
		if r.LostAfter < r.LastSeq {
			fmt.Fprint(w, "; the rest is a session of its own there, numbered from 1")
		}
		fmt.Fprintln(w)
	}
	if r.FromRun != "" {
		from := "the client was in run " + r.FromRun + ", of which the supervisor knows nothing"
		if r.FromRunOver {
			from = "the client was in run " + r.FromRun + ", which is over"
		}
		fmt.Fprintln(w, "  "+from+"; this is a session of its own, numbered from 1")
	}
	if r.FromRun != "" && r.Unknown > 0 {
		fmt.Fprintf(w,
			"  messages %d to %d are not in the spool: that run has them, or they were lost with the client\n",
			r.UnknownFrom, r.Unknown)
	} else if r.Unknown > 0 { // with Lost, the same session of its own
		fmt.Fprintf(w, "  the supervisor does not know messages %d to %d, which are not in the spool: an earlier run "+
			"has them, or they were lost with the client; the rest is a session of its own there, numbered from 1\n",
			r.UnknownFrom, r.Unknown)
	}
	if r.Damage != "" {
		fmt.Fprintf(w, "  the spool is damaged %s; what follows is not delivered\n", r.Damage)
	}
	if r.Failure != nil {
		fmt.Fprintf(w, "  %v\n", r.Failure)
	}
	if r.Removed {
		fmt.Fprintf(w, "  removed %s\n", pathname.Printable(r.Path))
	} else {
		fmt.Fprintf(w, "  the spool stays in %s\n", pathname.Printable(r.Path))
	}
}
