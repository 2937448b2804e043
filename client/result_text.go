package client

import (
	"fmt"
	"io"

	"bulkhead/internal/human"
	"bulkhead/internal/pathname"
	"bulkhead/internal/plural"
)

// Text writes how the load went for a person.
func (r Result) Text(w io.Writer) {
	rate := 0.0
	if s := r.Writing.Seconds(); s > 0 {
		rate = float64(r.Bytes) / s
	}
	fmt.Fprintf(w, "%s: %s, %s in %.1fs (%s), %s, %s; %s\n",
		r.Verdict, plural.Of(r.Files, "file"), human.InMegabytes(r.Bytes), r.Writing.Seconds(),
		human.InMegabytesPerSecond(rate),
		plural.Of(r.Chunks, "chunk"), plural.Of(r.Errors, "error"), plural.Of(r.Messages, "message"))
	if r.VerifiedBytes > 0 {
		fmt.Fprintf(w, "  %s read back and compared, %s\n", human.InMegabytes(r.VerifiedBytes),
			plural.Of(r.CorruptBlocks, "corrupt block"))
	}
	if r.Reads > 0 {
		fmt.Fprintf(w, "  %s read beside the writing in %s\n", human.InMegabytes(r.ReadBytes),
			plural.Of(r.Reads, "read"))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "  %s\n", pathname.Printable(p))
	}
	if r.Interruption != "" {
		fmt.Fprintf(w, "  %s\n", r.Interruption)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	if r.ResendCommand != "" {
		fmt.Fprintf(w, "  deliver them with: %s\n", r.ResendCommand)
	}
	for _, p := range r.LoadPaths {
		fmt.Fprintf(w, "  load files kept in %s\n", pathname.Printable(p))
	}
}
