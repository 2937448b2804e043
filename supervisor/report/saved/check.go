package saved

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/recovery"
	"bulkhead/supervisor/rundir"
)

// Checked is what was found in the journal of a run, as programs read it.
type Checked struct {
	Folder   string `json:"folder"`
	Clean    bool   `json:"clean"`
	Segments int    `json:"segments"`
	Records  uint64 `json:"records"`
	Bytes    int64  `json:"bytes"`
	Sessions uint64 `json:"sessions"`
	Messages uint64 `json:"messages"`
	// Torn is what is no record at the very end; Damage is where the journal could not be
	// read on. Either may be null.
	Torn   *Place `json:"torn"`
	Damage *Place `json:"damage"`
	// Missing says how the run's report.json knows more than the journal; "" if it does not,
	// or there is none.
	Missing           string  `json:"missing"`
	Violations        []Place `json:"violations"`
	ViolationsLeftOut uint64  `json:"violations_left_out"`
	// Checkpoints are those beside the segments, the newest first.
	Checkpoints []Checkpoint `json:"checkpoints"`
}

// Checkpoint is what was found of a checkpoint of a journal.
type Checkpoint struct {
	File string `json:"file"`
	// JournalBytes is how much of the journal it covers; 0 if that cannot be read.
	JournalBytes int64 `json:"journal_bytes"`
	// Good says that it is what the records up to its end say.
	Good bool `json:"good"`
	// Wrong is what in it is not; a supervisor would continue from that.
	Wrong []string `json:"wrong"`
	// Unused says why no supervisor would use it, or why it was not compared; "" otherwise.
	Unused string `json:"unused"`
}

// Place is where in a journal something is wrong.
type Place struct {
	Segment     string `json:"segment"`
	OffsetBytes int64  `json:"offset_bytes"`
	// TornBytes is the length of a torn end; 0 for anything else.
	TornBytes int64 `json:"torn_bytes"`
	// MayBeAcknowledged says that a torn end is damaged, and not only cut short.
	MayBeAcknowledged bool   `json:"may_be_acknowledged"`
	Why               string `json:"why"`
}

// CheckJournal checks the journal of the run in dir, or the journal that dir is. It returns a
// *PathError when there is none.
func CheckJournal(dir string) (*Checked, error) {
	folder := journalIn(dir)
	found, err := journal.Check(folder)
	if errors.Is(err, journal.ErrNoJournal) || errors.Is(err, syscall.ENOTDIR) {
		return nil, notRun(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("checking the journal: %w", err)
	}
	c := checkedOf(folder, found, missingFrom(dir, found))
	c.addCheckpoints(recovery.Check(folder))
	return c, nil
}

// addCheckpoints takes in what was found of the journal's checkpoints. One that is not used loses
// nothing; one that is wrong and would be used is no clean journal's.
func (c *Checked) addCheckpoints(found []recovery.Checked) {
	for _, f := range found {
		one := Checkpoint{File: f.File, JournalBytes: f.JournalBytes, Wrong: append([]string{}, f.Wrong...)}
		switch {
		case f.Unused != nil:
			one.Unused = "not used by a supervisor: " + f.Unused.Error()
		case f.Unchecked != nil:
			one.Unused = "not compared with the records: " + f.Unchecked.Error()
		default:
			one.Good = len(f.Wrong) == 0
		}
		c.Clean = c.Clean && len(f.Wrong) == 0
		c.Checkpoints = append(c.Checkpoints, one)
	}
}

// journalIn returns the folder of the journal in a run's folder, or dir itself if it is no
// run's.
func journalIn(dir string) string {
	inRun := filepath.Join(dir, rundir.JournalFolder)
	if info, err := os.Stat(inRun); err == nil && info.IsDir() {
		return inRun
	}
	return dir
}

func checkedOf(folder string, r journal.Report, missing string) *Checked {
	c := &Checked{
		Folder: folder, Clean: r.Err() == nil && missing == "", Missing: missing, Segments: r.Summary.Segments,
		Records: r.Summary.Records, Bytes: r.Summary.Bytes,
		Sessions: r.Sessions, Messages: r.Messages, Violations: []Place{}, ViolationsLeftOut: r.Omitted,
		Checkpoints: []Checkpoint{},
	}
	violations := r.Violations
	if t := r.Summary.Torn; t != nil {
		c.Torn = &Place{t.Segment, t.Offset, t.Bytes, t.Damaged, t.Why}
		if t.Damaged {
			violations = violations[:len(violations)-1] // the torn end
		}
	}
	if d := r.Damage; d != nil {
		c.Damage = &Place{d.Segment, d.Offset, 0, false, d.Why}
		violations = violations[:len(violations)-1] // the damage
	}
	for _, v := range violations {
		c.Violations = append(c.Violations, Place{v.Segment, v.Offset, 0, false, v.What})
	}
	return c
}

// JSON writes what was found for a program.
func (c *Checked) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(c)
}

// Text writes what was found for a person.
func (c *Checked) Text(w io.Writer) error {
	var out bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("%s: %s", c.word(), c.Folder)
	line("  read        segments %d, records %d, bytes %d", c.Segments, c.Records, c.Bytes)
	line("  sessions    %d, messages %d", c.Sessions, c.Messages)
	switch t := c.Torn; {
	case t != nil && t.MayBeAcknowledged:
		line("  torn end    %v: bytes %d: %s", t, t.TornBytes, t.Why)
	case t != nil:
		line("  torn end    %v: bytes %d: %s; never acknowledged, so nothing is lost", t, t.TornBytes, t.Why)
	case c.Damage == nil:
		line("  torn end    none")
	}
	if d := c.Damage; d != nil {
		line("  damage      %v: %s; nothing behind it was looked at", d, d.Why)
	} else {
		line("  damage      none")
	}
	if c.Missing != "" {
		line("  missing     %s", c.Missing)
	}
	line("  violations  %d", uint64(len(c.Violations))+c.ViolationsLeftOut)
	for _, v := range c.Violations {
		line("    %v: %s", v, v.Why)
	}
	if c.ViolationsLeftOut > 0 {
		line("    and %d more", c.ViolationsLeftOut)
	}
	for _, one := range c.Checkpoints {
		switch {
		case one.Good:
			line("  %-10s  %s: as the records up to byte %d say", "checkpoint", one.File, one.JournalBytes)
		case len(one.Wrong) > 0:
			line("  %-10s  %s: WRONG: %s; delete it before a supervisor continues from it", "checkpoint", one.File,
				strings.Join(one.Wrong, ", "))
		default:
			line("  %-10s  %s: %s; it may be deleted", "checkpoint", one.File, one.Unused)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// word returns what the journal is in one word or three.
func (c *Checked) word() string {
	switch {
	case c.Damage != nil, c.Torn != nil && c.Torn.MayBeAcknowledged:
		return "DAMAGED"
	case c.Missing != "":
		return "INCOMPLETE"
	case len(c.Violations) > 0:
		return "OUT OF ORDER"
	case !c.Clean:
		return "WRONG CHECKPOINT"
	default:
		return "CLEAN"
	}
}

// String returns a place as in "00000001.seg at byte 16".
func (p Place) String() string { return fmt.Sprintf("%s at byte %d", p.Segment, p.OffsetBytes) }
