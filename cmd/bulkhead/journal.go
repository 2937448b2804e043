package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/urfave/cli/v2"

	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report/fold"
)

func journalCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:  "journal",
		Usage: "look at the journal of a run",
		Description: `A journal is the durable record of a run, and the only source of its report.

Example:
  bulkhead journal check bulkhead-state/runs/latest`,
		OnUsageError: onUsageError,
		Action:       needCommand,
		Subcommands: []*cli.Command{
			{
				Name:      "check",
				Usage:     "check that a journal is whole and in order",
				ArgsUsage: "RUN_DIR",
				Description: `RUN_DIR is STATE_DIR/runs/RUN-ID, or the folder of a journal itself. Nothing is
changed, and the journal may be of a run that is still running.

Exit status: 0 whole and in order, also with a record cut short at its very end, as
a crash leaves it: nothing in that was ever acknowledged; 3 damaged, also at its very
end, out of order, or without records that the run's report.json was made from; 64 no
journal there.

Example:
  bulkhead journal check bulkhead-state/runs/latest`,
				Flags:        []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
				OnUsageError: onUsageError,
				Action:       func(ctx *cli.Context) error { return checkJournal(ctx, stdout) },
			},
		},
	}
}

func checkJournal(ctx *cli.Context, stdout io.Writer) error {
	if ctx.NArg() != 1 {
		return usageError{fmt.Errorf("journal check takes one run directory, such as bulkhead-state/runs/latest; %d were given; see `%s --help`", ctx.NArg(), commandName(ctx))}
	}
	dir := journalFolder(ctx.Args().First())
	found, err := journal.Check(dir)
	if errors.Is(err, journal.ErrNoJournal) || errors.Is(err, syscall.ENOTDIR) {
		return usageError{fmt.Errorf("%s is not a run directory: %s", ctx.Args().First(), notARun(ctx.Args().First()))}
	}
	if err != nil {
		return fmt.Errorf("checking the journal: %w", err)
	}
	missing := fold.MissingFrom(ctx.Args().First(), found)
	if err := checkedOf(dir, found, missing).print(stdout, ctx.Bool("json")); err != nil {
		return fmt.Errorf("printing what was found: %w", err)
	}
	if found.Err() != nil || missing != "" {
		return errPartial
	}
	return nil
}

// journalFolder is the folder of the journal in a run's folder, or dir itself if it
// is no run's.
func journalFolder(dir string) string {
	inRun := filepath.Join(dir, "journal")
	if info, err := os.Stat(inRun); err == nil && info.IsDir() {
		return inRun
	}
	return dir
}

// checked is what `bulkhead journal check` prints.
type checked struct {
	Folder   string `json:"folder"`
	Clean    bool   `json:"clean"`
	Segments int    `json:"segments"`
	Records  uint64 `json:"records"`
	Bytes    int64  `json:"bytes"`
	Sessions uint64 `json:"sessions"`
	Messages uint64 `json:"messages"`
	// Torn is what is no record at the very end; Damage is where the journal could not be
	// read on. Either may be null.
	Torn   *place `json:"torn"`
	Damage *place `json:"damage"`
	// Missing says how the run's report.json knows more than the journal; "" if it does
	// not, or is not there.
	Missing           string  `json:"missing"`
	Violations        []place `json:"violations"`
	ViolationsLeftOut uint64  `json:"violations_left_out"`
}

// place is where in a journal something is wrong.
type place struct {
	Segment     string `json:"segment"`
	OffsetBytes int64  `json:"offset_bytes"`
	// TornBytes is the length of a torn end; 0 for anything else.
	TornBytes int64 `json:"torn_bytes"`
	// MayBeAcknowledged says that a torn end is damaged, and not only cut short.
	MayBeAcknowledged bool   `json:"may_be_acknowledged"`
	Why               string `json:"why"`
}

func checkedOf(dir string, r journal.Report, missing string) checked {
	c := checked{
		Folder: dir, Clean: r.Err() == nil && missing == "", Missing: missing, Segments: r.Summary.Segments, Records: r.Summary.Records, Bytes: r.Summary.Bytes,
		Sessions: r.Sessions, Messages: r.Messages, Violations: []place{}, ViolationsLeftOut: r.Omitted,
	}
	violations := r.Violations
	if t := r.Summary.Torn; t != nil {
		c.Torn = &place{t.Segment, t.Offset, t.Bytes, t.Damaged, t.Why}
		if t.Damaged {
			violations = violations[:len(violations)-1] // the torn end
		}
	}
	if d := r.Damage; d != nil {
		c.Damage = &place{d.Segment, d.Offset, 0, false, d.Why}
		violations = violations[:len(violations)-1] // the damage
	}
	for _, v := range violations {
		c.Violations = append(c.Violations, place{v.Segment, v.Offset, 0, false, v.What})
	}
	return c
}

func (c checked) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(c)
	}
	p := &lines{w: w}
	word := "CLEAN"
	switch {
	case c.Damage != nil, c.Torn != nil && c.Torn.MayBeAcknowledged:
		word = "DAMAGED"
	case c.Missing != "":
		word = "INCOMPLETE"
	case !c.Clean:
		word = "OUT OF ORDER"
	}
	p.print("%s: %s", word, c.Folder)
	p.print("  read        segments %d, records %d, bytes %d", c.Segments, c.Records, c.Bytes)
	p.print("  sessions    %d, messages %d", c.Sessions, c.Messages)
	switch t := c.Torn; {
	case t != nil && t.MayBeAcknowledged:
		p.print("  torn end    %v: bytes %d: %s", t, t.TornBytes, t.Why)
	case t != nil:
		p.print("  torn end    %v: bytes %d: %s; never acknowledged, so nothing is lost", t, t.TornBytes, t.Why)
	case c.Damage == nil:
		p.print("  torn end    none")
	}
	if d := c.Damage; d != nil {
		p.print("  damage      %v: %s; nothing behind it was looked at", d, d.Why)
	} else {
		p.print("  damage      none")
	}
	if c.Missing != "" {
		p.print("  missing     %s", c.Missing)
	}
	p.print("  violations  %d", uint64(len(c.Violations))+c.ViolationsLeftOut)
	for _, v := range c.Violations {
		p.print("    %v: %s", v, v.Why)
	}
	if c.ViolationsLeftOut > 0 {
		p.print("    and %d more", c.ViolationsLeftOut)
	}
	return p.err
}

// String is "00000001.seg at byte 16".
func (p place) String() string { return fmt.Sprintf("%s at byte %d", p.Segment, p.OffsetBytes) }

// lines prints lines until one cannot be printed.
type lines struct {
	w   io.Writer
	err error
}

func (p *lines) print(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
