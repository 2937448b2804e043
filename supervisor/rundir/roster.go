package rundir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"bulkhead/internal/child"
	"bulkhead/internal/ownfile"
)

const (
	// rosterFile is the file of a roster in its folder.
	rosterFile = "roster"
	// rosterSlot is how many bytes of it a handler has, the end of its line among them. Its longest
	// texts are two paths, which are those of a socket (MaxSocketPath).
	rosterSlot = 1 << 10
	// rosterMaxBytes bounds what is read of it: that is more handlers than a machine has processes.
	rosterMaxBytes = 1 << 30
	// rosterSuffix ends the name of a file of one handler, as versions before the roster was one
	// file had them; its stem is the connection's number.
	rosterSuffix = ".json"
	// halfSuffix ends the name of a file that such a version was writing.
	halfSuffix = ".new"
)

// Roster is the file of a run that names its live handlers: a line for each that holds a client's
// socket. Another supervisor finds them there. A line that no handler has is blank. Every new
// client waits for its line, so it takes one write within a file that is there: no file is made or
// removed, which would put the file system's own journal into the next fsync of ours. It is not
// synced: it is for a supervisor that was killed, and no handler outlives the machine.
//
// Its methods may be called at the same time. The file is made with the first line, and removed by
// Close.
type Roster struct {
	folder string

	mu    sync.Mutex
	file  *os.File       // guarded by mu; nil before the first line
	is    Identity       // guarded by mu; of file
	lines map[uint64]int // guarded by mu; by connection: the number of its line
	free  []int          // guarded by mu; lines that are blank
	count int            // guarded by mu; of all lines
}

// NewRoster returns the roster in a run's folder for it. It reads nothing: Load does.
func NewRoster(folder string) *Roster { return &Roster{folder: folder, lines: make(map[uint64]int)} }

// Rostered is one line: what it takes to adopt a handler.
type Rostered struct {
	Connection uint64       `json:"connection"`
	Peer       string       `json:"peer"`
	Child      child.Record `json:"child"`
}

// Path returns the path of the roster.
func (r *Roster) Path() string { return filepath.Join(r.folder, rosterFile) }

// Folder returns the folder of the roster.
func (r *Roster) Folder() string { return r.folder }

// Add writes the line of a handler, in the place of an earlier one of the same connection. It does
// so also where the file or its folder was removed; the other lines are written by Restore.
func (r *Roster) Add(h Rostered) error {
	line, err := lineOf(h)
	for noted := false; err == nil && !noted; {
		var file *os.File
		var at int
		if file, at, err = r.lineFor(h.Connection); err == nil {
			_, err = file.WriteAt(line, int64(at)*rosterSlot)
			if noted = r.has(file); !noted {
				err = nil // another file has taken the place of this one
			}
		}
	}
	if err != nil {
		return fmt.Errorf("noting handler %d: %w", h.Child.Pid, err)
	}
	return nil
}

// has reports whether the file is the roster's.
func (r *Roster) has(file *os.File) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file == file
}

// lineOf returns a handler's line, which fills its slot.
func lineOf(h Rostered) ([]byte, error) {
	data, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(data) >= rosterSlot {
		return nil, fmt.Errorf("what is to be noted of it takes %d bytes; there is room for %d", len(data),
			rosterSlot-1)
	}
	line := append(make([]byte, 0, rosterSlot), data...)
	return append(append(line, bytes.Repeat([]byte(" "), rosterSlot-1-len(data))...), '\n'), nil
}

// blank is the line of no handler.
var blank = append(bytes.Repeat([]byte(" "), rosterSlot-1), '\n')

// lineFor returns the line that is, or is to be, a connection's, in the file that has it.
func (r *Roster) lineFor(connection uint64) (*os.File, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.openLocked(); err != nil {
		return nil, 0, err
	}
	at, has := r.lines[connection]
	switch last := len(r.free) - 1; {
	case has:
	case last >= 0:
		at, r.free = r.free[last], r.free[:last]
	default:
		at = r.count
		r.count++
	}
	r.lines[connection] = at
	return r.file, at, nil
}

// openLocked opens the file, and makes it where it is not. r.mu is held.
func (r *Roster) openLocked() error {
	if r.file != nil {
		return nil
	}
	const how = os.O_RDWR | os.O_CREATE
	file, err := ownfile.Open(r.Path(), how, 0o600)
	if errors.Is(err, fs.ErrNotExist) { // the folder was removed
		os.Mkdir(r.folder, 0o700)
		file, err = ownfile.Open(r.Path(), how, 0o600)
	}
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	r.file, r.is = file, identityOf(info)
	return nil
}

// Remove forgets a handler; it is fine if it was never noted.
func (r *Roster) Remove(connection uint64) error {
	file, at, err := r.forget(connection)
	if file == nil || err != nil {
		return errors.Join(err, r.removeEarlier(connection))
	}
	if _, err := file.WriteAt(blank, int64(at)*rosterSlot); err != nil && r.has(file) {
		return fmt.Errorf("forgetting a handler: %w", err) // its line is not used again
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == file {
		r.free = append(r.free, at)
	}
	return nil
}

// forget returns the line that is no longer a connection's, in the file that has it; nil if it has
// none.
func (r *Roster) forget(connection uint64) (*os.File, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, has := r.lines[connection]
	if !has {
		return nil, 0, nil
	}
	if err := r.openLocked(); err != nil {
		return nil, 0, fmt.Errorf("forgetting a handler: %w", err)
	}
	delete(r.lines, connection)
	return r.file, at, nil
}

// removeEarlier removes what an earlier version noted of a handler.
func (r *Roster) removeEarlier(connection uint64) error {
	path := filepath.Join(r.folder, strconv.FormatUint(connection, 10)+rosterSuffix)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting a handler: %w", err)
	}
	return nil
}

// Lost reports whether the file with the lines, or the folder, was removed or replaced.
func (r *Roster) Lost() bool {
	r.mu.Lock()
	is, some := r.is, r.file != nil || len(r.lines) > 0
	r.mu.Unlock()
	if !some {
		_, err := os.Lstat(r.folder)
		return errors.Is(err, fs.ErrNotExist)
	}
	return IdentityAt(r.Path()) != is
}

// Restore begins the file anew: the caller adds every handler again.
func (r *Roster) Restore() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		r.file.Close()
	}
	r.file, r.is, r.free, r.count = nil, Identity{}, nil, 0
	clear(r.lines)
	if err := r.openLocked(); err != nil {
		return fmt.Errorf("making the roster of handlers again: %w", err)
	}
	if err := r.file.Truncate(0); err != nil {
		return fmt.Errorf("making the roster of handlers again: %w", err)
	}
	return nil
}

// Close removes the file if no handler is noted in it, and lets go of it.
func (r *Roster) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if r.file != nil {
		err = r.file.Close()
		r.file = nil
	}
	if len(r.lines) == 0 && r.is != (Identity{}) && IdentityAt(r.Path()) == r.is {
		err = errors.Join(err, os.Remove(r.Path()))
	}
	if err != nil {
		return fmt.Errorf("closing the roster of handlers: %w", err)
	}
	return nil
}

// Load reads all lines, and what an earlier version noted. What is none is passed over and named in
// bad; the next handler has its place.
func (r *Roster) Load() (found []Rostered, bad []error, err error) {
	entries, err := os.ReadDir(r.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the handlers of a run: %w", err)
	}
	for _, e := range entries {
		var err error
		switch {
		case e.Name() == rosterFile:
			found, bad, err = r.loadLines(found, bad)
		case strings.HasSuffix(e.Name(), rosterSuffix):
			found, err = r.loadEarlier(found, e.Name())
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", e.Name(), err))
		}
	}
	return found, bad, nil
}

// loadLines adds the lines of the file.
func (r *Roster) loadLines(found []Rostered, bad []error) ([]Rostered, []error, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := IdentityAt(r.Path())
	data, err := ownfile.Read(r.Path(), rosterMaxBytes)
	if err != nil {
		return found, bad, err
	}
	r.is = is
	r.count, r.free = (len(data)+rosterSlot-1)/rosterSlot, nil
	clear(r.lines)
	for at := range r.count {
		slot := bytes.TrimSpace(data[at*rosterSlot : min((at+1)*rosterSlot, len(data))])
		slot = bytes.Trim(slot, "\x00") // a hole: the write before it was lost
		if len(slot) == 0 {
			r.free = append(r.free, at)
			continue
		}
		var h Rostered
		err := json.Unmarshal(slot, &h)
		if _, twice := r.lines[h.Connection]; err == nil && twice {
			err = fmt.Errorf("connection %d has a line before it", h.Connection)
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: line %d: %w", rosterFile, at+1, err))
			r.free = append(r.free, at)
			continue
		}
		r.lines[h.Connection] = at
		found = append(found, h)
	}
	return found, bad, nil
}

// loadEarlier adds what an earlier version noted in a file of its own. One with nothing in it was
// begun by a supervisor that was killed there: its handler has no client.
func (r *Roster) loadEarlier(found []Rostered, name string) ([]Rostered, error) {
	data, err := ownfile.Read(filepath.Join(r.folder, name), rosterSlot)
	if err != nil || len(data) == 0 {
		return found, err
	}
	var h Rostered
	if err := json.Unmarshal(data, &h); err != nil {
		return found, err
	}
	if strconv.FormatUint(h.Connection, 10)+rosterSuffix != name {
		return found, fmt.Errorf("it is about connection %d", h.Connection)
	}
	return append(found, h), nil
}

// Sweep removes files that a supervisor of an earlier version did not get to complete.
func (r *Roster) Sweep() error {
	half, err := filepath.Glob(filepath.Join(r.folder, "*"+halfSuffix))
	begun, _ := filepath.Glob(filepath.Join(r.folder, "*"+rosterSuffix)) // the error is the same
	for _, path := range begun {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
			half = append(half, path)
		}
	}
	for _, path := range half {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return fmt.Errorf("clearing the handlers of a run: %w", err)
	}
	return nil
}
