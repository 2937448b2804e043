package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"bulkhead/client/block"
	"bulkhead/internal/pathname"
	"bulkhead/internal/plural"
)

// maxListed is how many files that are not verified a List holds; all are counted.
// maxListedFaults is the same for the faults of one file.
const (
	maxListed       = 1000
	maxListedFaults = 100
)

// Verdict is what is said of all files together.
type Verdict string

const (
	AllVerified     Verdict = "verified"         // and nothing is wrong
	SomeCorrupt     Verdict = "corrupt"          // at least one file is
	SomeUnread      Verdict = "incomplete"       // nothing is known to be corrupt, but not all could be read
	NothingVerified Verdict = "nothing verified" // there was nothing to read
	Interrupted     Verdict = "interrupted"      // before all was read
)

// Listing is what a survey found, as programs read it.
type Listing struct {
	Path    string  `json:"path"`
	Verdict Verdict `json:"verdict"`
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
	// Files are those in any state but verified; FilesLeftOut counts those beyond 1000. Where
	// they were printed as they were found, there are none.
	Files        []ListedFile `json:"files"`
	FilesLeftOut int          `json:"files_left_out"`

	printing error // of the files that were printed as they were found
}

// ListedFile is one file that is not simply verified.
type ListedFile struct {
	Path  string `json:"path"`
	State State  `json:"state"`
	// Expected says which file it is to be; "" if nothing tells.
	Expected string `json:"expected"`
	Detail   string `json:"detail"`
	// SizeBytes is its size, WantBytes the one that it was to have, or 0.
	SizeBytes     uint64        `json:"size_bytes"`
	WantBytes     uint64        `json:"want_bytes"`
	CorruptBlocks uint64        `json:"corrupt_blocks"`
	Faults        []ListedFault `json:"faults"`
	// FaultsLeftOut counts the faults beyond 100.
	FaultsLeftOut uint64 `json:"faults_left_out"`
}

// ListedFault is a run of blocks that are wrong in one way.
type ListedFault struct {
	OffsetBytes uint64 `json:"offset_bytes"`
	LengthBytes uint64 `json:"length_bytes"`
	Blocks      uint64 `json:"blocks"`
	Kind        string `json:"kind"`
	Expected    string `json:"expected"`
	Found       string `json:"found"`
}

// ListOptions are how List looks.
type ListOptions struct {
	// Writers is that of SurveyOptions.
	Writers int
	// Text is where the files are printed as they are found, for a person; they are not kept
	// then. If nil, they are kept.
	Text io.Writer
}

// List surveys what clients have left at path, as Survey does, and comes to a verdict. A
// context that is cancelled makes the verdict Interrupted, unless something is corrupt.
func List(ctx context.Context, path string, o ListOptions) (*Listing, error) {
	l := &Listing{Path: pathname.Printable(path), Files: []ListedFile{}}
	tell := l.keep
	if o.Text != nil {
		tell = func(r Report) { printFile(l.lines(o.Text), r) }
	}
	sum, err := Survey(ctx, path, SurveyOptions{Writers: o.Writers, MaxFaults: maxListedFaults}, func(r Report) {
		if r.State != Verified {
			tell(r)
		}
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, err
	}
	l.close(sum, err != nil)
	return l, nil
}

// keep lists a file, if there is room.
func (l *Listing) keep(r Report) {
	if len(l.Files) >= maxListed {
		l.FilesLeftOut++
		return
	}
	f := ListedFile{
		Path: pathname.Printable(r.Path), State: r.State, Expected: r.Expected, Detail: pathname.Text(r.Detail),
		SizeBytes: r.Result.Size, WantBytes: r.Want,
		CorruptBlocks: r.Result.Corrupt, Faults: []ListedFault{}, FaultsLeftOut: r.Result.Omitted,
	}
	for _, w := range r.Result.Faults {
		f.Faults = append(f.Faults,
			ListedFault{w.Offset, w.Length, w.Blocks, w.Damage.String(), w.Expected, w.Found})
	}
	l.Files = append(l.Files, f)
}

// close enters the sum and comes to a verdict.
func (l *Listing) close(s Summary, interrupted bool) {
	l.Verified, l.Unfinished, l.Corrupt, l.Unread, l.Foreign = s.Verified, s.Unfinished, s.Corrupt, s.Unread, s.Foreign
	l.Bytes, l.CachedBytes, l.UnwrittenBytes, l.UnprovenBytes, l.CorruptBlocks = s.Bytes, s.Cached, s.Unwritten,
		s.Unproven, s.CorruptBlocks
	switch {
	case s.Corrupt > 0:
		l.Verdict = SomeCorrupt
	case interrupted:
		l.Verdict = Interrupted
	case s.OK():
		l.Verdict = AllVerified
	case s.Verified+s.Unfinished > 0 && s.Unread > 0:
		l.Verdict = SomeUnread
	default:
		l.Verdict = NothingVerified
	}
}

// JSON writes what was found for a program.
func (l *Listing) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(l)
}

// Text writes what was found in all for a person, below the files that were printed already.
func (l *Listing) Text(w io.Writer) error {
	line := l.lines(w)
	line("%s: %s", strings.ToUpper(string(l.Verdict)), l.Path)
	line("  files       %d verified, %d unfinished, %d corrupt, %d not read; %d not a consumer's", l.Verified,
		l.Unfinished, l.Corrupt, l.Unread, l.Foreign)
	line("  read        bytes %d; %d of them may have come from a cache", l.Bytes, l.CachedBytes)
	if l.UnwrittenBytes+l.UnprovenBytes > 0 {
		line("  unfinished  %d of the bytes were not written, %d are in sectors that were cut off", l.UnwrittenBytes,
			l.UnprovenBytes)
	}
	line("  corrupt     blocks %d", l.CorruptBlocks)
	return l.printing
}

// lines returns what prints a line, until one cannot be printed.
func (l *Listing) lines(w io.Writer) func(format string, args ...any) {
	return func(format string, args ...any) {
		if l.printing == nil {
			_, l.printing = fmt.Fprintf(w, format+"\n", args...)
		}
	}
}

// printFile prints a file that is not simply verified.
func printFile(line func(format string, args ...any), r Report) {
	line("%s %s", r.State, pathname.Printable(r.Path))
	if r.Expected != "" {
		line("  %s", r.Expected)
	}
	if r.Detail != "" {
		line("  %s", r.Detail)
	}
	if r.State == Unfinished && r.Want > 0 {
		line("  %d of %s are there, %d of them in blocks that were not written", r.Result.Size,
			plural.Of(r.Want, "byte"), r.Result.Unwritten)
	}
	for _, f := range r.Result.Faults {
		line("  %s at byte %d, %s in %s", f.Damage, f.Offset, plural.Of(f.Length, "byte"),
			plural.Of(f.Blocks, "block"))
		line("    expected  %s", f.Expected)
		line("    found     %s", f.Found)
		if f.Damage == block.Truncated && r.State == Corrupt {
			line("    (it was not the last file of its consumer; see --writers)")
		}
	}
	if r.Result.Omitted > 0 {
		line("  and %d more", r.Result.Omitted)
	}
}
