package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"bulkhead/client/names"
)

// ErrNothingThere is returned by Survey if the path holds no file of a consumer.
var ErrNothingThere = errors.New("no consumer's files found")

// SurveyOptions are how Survey looks.
type SurveyOptions struct {
	// Writers is how many files each consumer wrote at a time (its concurrency). Of one
	// writer only the last file may be unfinished, of more any, but not more than
	// there were writers. 0 is what the client's record says, or else 1.
	Writers int
	// MaxFaults is how many faults of a file are kept; 0 is 1000.
	MaxFaults int
}

// State is what came of a file.
type State string

const (
	Verified   State = "verified"   // all of it is as it was written
	Unfinished State = "unfinished" // so is all that was written of it
	Corrupt    State = "corrupt"    // a block of it is wrong
	Unread     State = "unread"     // it could not be read, or not to the end
	Foreign    State = "foreign"    // not a consumer's; it was not looked at
)

// Report is what Survey found out about one file, or something else it met.
type Report struct {
	Path  string
	State State
	// Expected names the file by its blocks; empty if there are none to go by.
	Expected string
	// Want is the size that the file is to have; 0 if that is not known.
	Want   uint64
	Detail string // what there is to say beyond the state; may be empty
	Result Result
}

// Summary counts what Survey found.
type Summary struct {
	Folders                                        int // of consumers
	Verified, Unfinished, Corrupt, Unread, Foreign int
	Bytes, Cached, Unproven, Unwritten             uint64 // see Result
	CorruptBlocks                                  uint64
}

// OK reports whether something was verified, and nothing found wrong or left unread.
func (s *Summary) OK() bool {
	return s.Corrupt == 0 && s.Unread == 0 && s.Verified+s.Unfinished > 0 && s.Bytes > s.Unwritten+s.Unproven
}

func (s *Summary) add(r Report) {
	switch r.State {
	case Verified:
		s.Verified++
	case Unfinished:
		s.Unfinished++
	case Corrupt:
		s.Corrupt++
	case Unread:
		s.Unread++
	case Foreign:
		s.Foreign++
	}
	s.Bytes += r.Result.Bytes
	s.Cached += r.Result.Cached
	s.Unproven += r.Result.Unproven
	s.Unwritten += r.Result.Unwritten
	s.CorruptBlocks += r.Result.Corrupt
}

// Survey checks what clients have left at path: a file, the folder of a consumer or of a
// client, or one that holds folders of clients. It tells each file to tell, within
// a folder the newest first. It returns ErrNothingThere if there is no such
// file, and the context's error if it was cancelled; the summary is then right as far as
// it goes.
func Survey(ctx context.Context, path string, o SurveyOptions, tell func(Report)) (Summary, error) {
	reader, err := NewReader(Options{MaxFaults: o.MaxFaults})
	if err != nil {
		return Summary{}, err
	}
	s := &survey{reader: reader, writers: o.Writers}
	s.tell = func(r Report) {
		s.summary.add(r)
		tell(r)
	}
	err = s.path(ctx, path)
	if err == nil && s.summary == (Summary{Foreign: s.summary.Foreign}) {
		err = fmt.Errorf("%s: %w", path, ErrNothingThere)
	}
	return s.summary, errors.Join(err, reader.Close())
}

// survey is one Survey.
type survey struct {
	reader  *Reader
	writers int
	tell    func(Report)
	summary Summary
}

func (s *survey) path(ctx context.Context, path string) error {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	above := hintsOf(filepath.Dir(absolute))
	if !info.IsDir() {
		return s.single(ctx, path,
			hintsOf(filepath.Dir(filepath.Dir(absolute))).within(filepath.Base(filepath.Dir(absolute))))
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return s.folder(ctx, folder, above.within(filepath.Base(absolute)), isOurs(filepath.Base(absolute)))
}

// single checks one file. Whether it is among the last of its consumer, its folder says,
// if it still is in one.
func (s *survey) single(ctx context.Context, path string, h hints) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	name := filepath.Base(path)
	if !names.IsLoadFile(name) {
		return s.load(ctx, folder, []string{name}, h, name)
	}
	entries, err := folder.ReadDir(-1)
	if err != nil {
		return err
	}
	loads := loadsOf(entries)
	if !slices.Contains(loads, name) {
		return fmt.Errorf("%s: it is not a regular file", path)
	}
	return s.load(ctx, folder, loads, h, name)
}

// hintsOf returns the hints for what is in a folder that is at path, as far as this folder gives
// them.
func hintsOf(path string) hints {
	h := hints{}.within(filepath.Base(path))
	folder, err := os.Open(path)
	if err != nil {
		return h
	}
	defer folder.Close()
	return h.recorded(folder)
}

// isOurs reports whether a folder of that name belongs to a client alone.
func isOurs(name string) bool {
	_, client := names.ClientIn(name)
	_, consumer := names.ConsumerIn(name)
	return client || consumer
}

// folder checks what is in a folder and in those of clients and consumers below it. ours
// says that nothing else should be in it.
func (s *survey) folder(ctx context.Context, folder *os.File, h hints, ours bool) error {
	entries, err := folder.ReadDir(-1)
	if err != nil {
		s.tell(Report{Path: folder.Name(), State: Unread, Detail: err.Error()})
		return nil
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	loads := loadsOf(entries)
	h = h.recorded(folder)
	if len(loads) > 0 {
		if err := s.load(ctx, folder, loads, h, ""); err != nil {
			return err
		}
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case names.IsLoadFile(name) && e.Type().IsRegular():
		case isOurs(name) && e.IsDir():
			if err := s.below(ctx, folder, name, h.within(name)); err != nil {
				return err
			}
		case (names.IsLoadFile(name) || isOurs(name)) && (ours || len(loads) > 0 || e.Type() == fs.ModeSymlink):
			// What was there can no longer be checked.
			s.tell(Report{Path: filepath.Join(folder.Name(), name), State: Unread, Detail: inPlace(name, e)})
		case (ours || len(loads) > 0) && !names.IsClients(name):
			s.tell(Report{Path: filepath.Join(folder.Name(), name), State: Foreign, Detail: kindOf(e)})
		}
	}
	return nil
}

// below opens a folder in a folder, unless something else is there by now.
func (s *survey) below(ctx context.Context, folder *os.File, name string, h hints) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := filepath.Join(folder.Name(), name)
	fd, err := openat(int(folder.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		s.tell(Report{Path: path, State: Unread, Detail: (&os.PathError{Op: "open", Path: path, Err: err}).Error()})
		return nil
	}
	below := os.NewFile(uintptr(fd), path)
	defer below.Close()
	return s.folder(ctx, below, h, true)
}

// loadsOf returns the names of the regular files among entries that are named as a consumer's.
func loadsOf(entries []fs.DirEntry) []string {
	var loads []string
	for _, e := range entries {
		if names.IsLoadFile(e.Name()) && e.Type().IsRegular() {
			loads = append(loads, e.Name())
		}
	}
	slices.Sort(loads)
	return loads
}

// inPlace returns what has the name of a consumer's file, or of its folder or a client's, and is
// none.
func inPlace(name string, e fs.DirEntry) string {
	place := "the folder of a client or a consumer"
	if names.IsLoadFile(name) {
		place = "a consumer's file"
	}
	switch e.Type() {
	case 0:
		return "a file in the place of " + place
	case fs.ModeDir:
		return "a folder in the place of " + place
	default:
		return kindOf(e) + ", in the place of " + place
	}
}

// kindOf returns what an entry of a folder is that is not a client's.
func kindOf(e fs.DirEntry) string {
	switch e.Type() {
	case 0:
		return "a file of another name than a consumer's"
	case fs.ModeSymlink:
		return "a symbolic link, which is not followed"
	case fs.ModeDir:
		return "a folder of another name than a client's or a consumer's"
	default:
		return "neither a file nor a folder"
	}
}

// isGone reports whether a file was removed since its folder was read.
func isGone(err error) bool { return errors.Is(err, syscall.ENOENT) }
