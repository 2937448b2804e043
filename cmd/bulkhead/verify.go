package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"bulkhead/client/block"
	"bulkhead/client/verify"
	"bulkhead/internal/pathname"
	"bulkhead/internal/plural"
)

// maxListed is how many files that are not verified the JSON form lists; all are
// counted. maxFaults is the same for the faults of one file.
const (
	maxListed = 1000
	maxFaults = 100
)

func verifyCommand(stdout *stdout) *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check files that a client has left",
		ArgsUsage: "PATH",
		Description: `PATH is a file, the folder of a consumer or of a client, or one that holds folders
of clients. Every block is read, from storage where the system lets us, and must be
the one that was written there; a block that is not is named, and so is what is in
its place. Nothing is changed. Do not let a client write there meanwhile.

The last file of each consumer may be unfinished, as a killed client leaves it: it may
end anywhere, or hold what was there before. So may one file for each writer of a
consumer that has several (concurrency): the record in the client's folder says how
many, or --writers does.

Exit status: 0 all that was written is as it was written; 3 something is not, or
could not be read, or there was nothing to verify by; 64 no such path, or no file of a
consumer there.

Example:
  bulkhead verify /mnt/under-test`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
			&cli.IntFlag{Name: "writers", Usage: "how many files, `N`, each consumer wrote at a time; 0 is what the client's record says, or else 1"},
		},
		OnUsageError: onUsageError,
		Action:       func(ctx *cli.Context) error { return runVerify(ctx, stdout) },
	}
}

func runVerify(ctx *cli.Context, stdout *stdout) error {
	if ctx.NArg() != 1 || ctx.Args().First() == "" {
		return usageError{fmt.Errorf("verify takes one path, such as /mnt/under-test; %d were given; see `%s --help`", ctx.NArg(), commandName(ctx))}
	}
	if n := ctx.Int("writers"); n < 0 {
		return usageError{fmt.Errorf("--writers %d: it is 1 or more, or 0 for what the client's record says", n)}
	}
	path := ctx.Args().First()
	interrupted, stop := untilInterrupted(ctx.Context, stdout)
	defer stop()
	v := &verification{Path: pathname.Printable(path), Files: []verifiedFile{}, text: &lines{w: stdout}, json: ctx.Bool("json")}
	sum, err := verify.Survey(interrupted, path, verify.SurveyOptions{Writers: ctx.Int("writers"), MaxFaults: maxFaults}, v.add)
	switch {
	case errors.Is(err, verify.ErrNothingThere), errors.Is(err, os.ErrNotExist):
		return usageError{err}
	case err != nil && !errors.Is(err, context.Canceled):
		return err
	}
	v.close(sum, err != nil)
	if err := v.print(stdout); err != nil {
		return fmt.Errorf("printing what was found: %w", err)
	}
	if v.Verdict != verdictVerified {
		return errPartial
	}
	return nil
}

// What `bulkhead verify` says of all files together.
const (
	verdictVerified    = "verified"
	verdictCorrupt     = "corrupt"
	verdictIncomplete  = "incomplete" // nothing is known to be corrupt, but not all could be read
	verdictNothing     = "nothing verified"
	verdictInterrupted = "interrupted"
)

// verification is what `bulkhead verify` prints.
type verification struct {
	Path    string `json:"path"`
	Verdict string `json:"verdict"`
	// Files that were verified, of which no block is wrong but of which writing was not
	// finished, of which a block is wrong, and that could not be read to the end.
	Verified   int `json:"verified"`
	Unfinished int `json:"unfinished"`
	Corrupt    int `json:"corrupt"`
	Unread     int `json:"unread"`
	// Foreign counts what is in a client's folders and not the client's.
	Foreign int `json:"foreign"`
	// Bytes that were read; of these, those that may have come from a cache, those that
	// were never written, and those behind the last seal in a file that was cut off.
	Bytes          uint64 `json:"bytes"`
	CachedBytes    uint64 `json:"cached_bytes"`
	UnwrittenBytes uint64 `json:"unwritten_bytes"`
	UnprovenBytes  uint64 `json:"unproven_bytes"`
	CorruptBlocks  uint64 `json:"corrupt_blocks"`
	// Files are those in any state but verified; FilesLeftOut counts those beyond 1000.
	Files        []verifiedFile `json:"files"`
	FilesLeftOut int            `json:"files_left_out"`

	text *lines
	json bool
}

// verifiedFile is one file that is not simply verified.
type verifiedFile struct {
	Path  string `json:"path"`
	State string `json:"state"`
	// Expected says which file it is to be; "" if nothing tells.
	Expected string `json:"expected"`
	Detail   string `json:"detail"`
	// SizeBytes is its size, WantBytes the one that it was to have, or 0.
	SizeBytes     uint64  `json:"size_bytes"`
	WantBytes     uint64  `json:"want_bytes"`
	CorruptBlocks uint64  `json:"corrupt_blocks"`
	Faults        []fault `json:"faults"`
	// FaultsLeftOut counts the faults beyond 100.
	FaultsLeftOut uint64 `json:"faults_left_out"`
}

// fault is a run of blocks that are wrong in one way.
type fault struct {
	OffsetBytes uint64 `json:"offset_bytes"`
	LengthBytes uint64 `json:"length_bytes"`
	Blocks      uint64 `json:"blocks"`
	Kind        string `json:"kind"`
	Expected    string `json:"expected"`
	Found       string `json:"found"`
}

// add prints a file or keeps it.
func (v *verification) add(r verify.Report) {
	if r.State == verify.Verified {
		return
	}
	if !v.json {
		v.text.file(r)
		return
	}
	if len(v.Files) >= maxListed {
		v.FilesLeftOut++
		return
	}
	f := verifiedFile{
		Path: pathname.Printable(r.Path), State: string(r.State), Expected: r.Expected, Detail: pathname.Text(r.Detail), SizeBytes: r.Result.Size, WantBytes: r.Want,
		CorruptBlocks: r.Result.Corrupt, Faults: []fault{}, FaultsLeftOut: r.Result.Omitted,
	}
	for _, w := range r.Result.Faults {
		f.Faults = append(f.Faults, fault{w.Offset, w.Length, w.Blocks, w.Damage.String(), w.Expected, w.Found})
	}
	v.Files = append(v.Files, f)
}

// close enters the sum and comes to a verdict.
func (v *verification) close(s verify.Summary, interrupted bool) {
	v.Verified, v.Unfinished, v.Corrupt, v.Unread, v.Foreign = s.Verified, s.Unfinished, s.Corrupt, s.Unread, s.Foreign
	v.Bytes, v.CachedBytes, v.UnwrittenBytes, v.UnprovenBytes, v.CorruptBlocks = s.Bytes, s.Cached, s.Unwritten, s.Unproven, s.CorruptBlocks
	switch {
	case s.Corrupt > 0:
		v.Verdict = verdictCorrupt
	case interrupted:
		v.Verdict = verdictInterrupted
	case s.OK():
		v.Verdict = verdictVerified
	case s.Verified+s.Unfinished > 0 && s.Unread > 0:
		v.Verdict = verdictIncomplete
	default:
		v.Verdict = verdictNothing
	}
}

func (v *verification) print(w io.Writer) error {
	if v.json {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	words := map[string]string{
		verdictVerified: "VERIFIED", verdictCorrupt: "CORRUPT", verdictIncomplete: "INCOMPLETE",
		verdictNothing: "NOTHING VERIFIED", verdictInterrupted: "INTERRUPTED",
	}
	p := v.text
	p.print("%s: %s", words[v.Verdict], v.Path)
	p.print("  files       %d verified, %d unfinished, %d corrupt, %d not read; %d not a consumer's", v.Verified, v.Unfinished, v.Corrupt, v.Unread, v.Foreign)
	p.print("  read        bytes %d; %d of them may have come from a cache", v.Bytes, v.CachedBytes)
	if v.UnwrittenBytes+v.UnprovenBytes > 0 {
		p.print("  unfinished  %d of the bytes were not written, %d are in sectors that were cut off", v.UnwrittenBytes, v.UnprovenBytes)
	}
	p.print("  corrupt     blocks %d", v.CorruptBlocks)
	return p.err
}

// file prints a file that is not simply verified.
func (p *lines) file(r verify.Report) {
	p.print("%s %s", r.State, pathname.Printable(r.Path))
	if r.Expected != "" {
		p.print("  %s", r.Expected)
	}
	if r.Detail != "" {
		p.print("  %s", r.Detail)
	}
	if r.State == verify.Unfinished && r.Want > 0 {
		p.print("  %d of %s are there, %d of them in blocks that were not written", r.Result.Size, plural.Of(r.Want, "byte"), r.Result.Unwritten)
	}
	for _, f := range r.Result.Faults {
		p.print("  %s at byte %d, %s in %s", f.Damage, f.Offset, plural.Of(f.Length, "byte"), plural.Of(f.Blocks, "block"))
		p.print("    expected  %s", f.Expected)
		p.print("    found     %s", f.Found)
		if f.Damage == block.Truncated && r.State == verify.Corrupt {
			p.print("    (it was not the last file of its consumer; see --writers)")
		}
	}
	if r.Result.Omitted > 0 {
		p.print("  and %d more", r.Result.Omitted)
	}
}
