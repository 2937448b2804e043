package neighbour

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/block"
	"bulkhead/client/names"
)

// recordMaxBytes bounds what is read of a client's record.
const recordMaxBytes = 16 << 10

// record is what is used of a client's record; there is more in it.
type record struct {
	ClientID string `json:"client_id"`
	Name     string `json:"name"`
	Run      string `json:"run"`
	Host     string `json:"host"`
	Boot     string `json:"boot"`
}

// Gone reports whether an error says that a file, or its folder, is not there any more, or that it never was
// one that this user may read.
func Gone(err error) bool {
	for _, gone := range []error{unix.ENOENT, unix.ESTALE, unix.ENOTDIR, unix.ELOOP, unix.EACCES, unix.EPERM} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}

// unlessGone returns an error that is not about something that is gone.
func unlessGone(err error) error {
	if Gone(err) {
		return nil
	}
	return err
}

// look finds the folders of other clients' consumers, unless it did so a moment ago. The caller holds mu.
func (s *Search) look() error {
	every := lookEvery
	if len(s.folders) == 0 {
		every = lookSoon
	}
	if !s.looked.IsZero() && time.Since(s.looked) < every {
		return nil
	}
	s.looked = time.Now()
	all, err := s.entries()
	if err != nil {
		return err
	}
	before, clients := make(map[string]*folder), make(map[string]*Client)
	for _, f := range s.folders {
		before[f.place()] = f
	}
	s.folders = nil
	var wrong error
	for _, name := range all {
		prefix, ok := names.ClientIn(name)
		if !ok || len(s.folders) >= maxFolders {
			continue
		}
		of, err := s.clients[name], error(nil)
		if of == nil {
			of, err = s.client(name, prefix)
		}
		if of != nil {
			clients[name] = of
			err = s.consumers(name, of, before)
		}
		wrong = cmp.Or(wrong, unlessGone(err))
	}
	s.clients = clients
	return wrong
}

// client returns the client whose folder has a name; nil if it is none of those that are looked for. The
// caller holds mu.
func (s *Search) client(name string, prefix []byte) (*Client, error) {
	text, err := s.read(recordMaxBytes, name, names.Record)
	if err != nil {
		return nil, err
	}
	var r record
	if json.Unmarshal(text, &r) != nil {
		return nil, nil // it is being written
	}
	id, err := hex.DecodeString(r.ClientID)
	if err != nil || len(id) != len(s.own.Client) || !strings.HasPrefix(string(id), string(prefix)) ||
		block.RunOf(r.Run) != s.own.Run {
		return nil, nil
	}
	c := &Client{ID: [16]byte(id), Name: r.Name, Host: r.Host, boot: r.Boot}
	if c.ID == s.own.Client {
		s.boot = c.boot
		return nil, nil
	}
	return c, nil
}

// consumers adds the folders of a client's consumers, with what was known of them before. The caller
// holds mu.
func (s *Search) consumers(name string, of *Client, before map[string]*folder) error {
	all, err := s.entries(name)
	if err != nil {
		return err
	}
	for _, consumer := range all {
		index, ok := names.ConsumerIn(consumer)
		if !ok || len(s.folders) >= maxFolders {
			continue
		}
		f := &folder{client: name, consumer: consumer, of: of,
			owner: block.Owner{Run: s.own.Run, Client: of.ID, Consumer: index}}
		if known := before[f.place()]; known != nil && known.of == of {
			f = known
		}
		s.folders = append(s.folders, f)
	}
	return nil
}

// list returns what is in the list of a consumer; nothing if there is none.
func (s *Search) list(f *folder) ([]Entry, error) {
	text, err := s.read(maxSlots*slotSize, f.client, f.consumer, names.Finished)
	if err != nil {
		return nil, unlessGone(err)
	}
	return entriesOf(text, f.owner), nil
}

// entries returns the names in a folder, in order.
func (s *Search) entries(path ...string) ([]string, error) {
	dir, err := s.open(path...)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	all, err := dir.Readdirnames(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.Sort(all)
	return all, nil
}

// read returns the beginning of a file.
func (s *Search) read(most int64, path ...string) ([]byte, error) {
	dir, err := s.open(path[:len(path)-1]...)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name := path[len(path)-1]
	fd, err := s.openat(dir, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), filepath.Join(dir.Name(), name))
	defer f.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &fs.PathError{Op: "open", Path: f.Name(), Err: unix.ENOENT} // nothing that a client made
	}
	return io.ReadAll(io.LimitReader(f, most))
}

// open opens a folder below the site, or, without a path, the site itself, anew. No part of the path is
// followed if it is a symbolic link. What belongs to another user is not there.
func (s *Search) open(path ...string) (*os.File, error) {
	at, err := s.folder(s.site, ".")
	for _, name := range path {
		if err != nil {
			return nil, err
		}
		above := at
		at, err = s.folder(above, name)
		above.Close()
		if err != nil {
			return nil, err
		}
		var stat unix.Stat_t
		if err = unix.Fstat(int(at.Fd()), &stat); err == nil && stat.Uid != s.user {
			err = fmt.Errorf("%s belongs to another user: %w", at.Name(), unix.EACCES)
		}
		if err != nil {
			at.Close()
			return nil, err
		}
	}
	return at, err
}

func (s *Search) folder(above *os.File, name string) (*os.File, error) {
	fd, err := s.openat(above, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), filepath.Join(above.Name(), name)), nil
}

// openat opens what is in a folder, again when a signal interrupted it.
func (s *Search) openat(folder *os.File, name string, flags int) (fd int, err error) {
	for {
		fd, err = unix.Openat(int(folder.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == nil {
			return fd, nil
		}
		if !errors.Is(err, unix.EINTR) {
			return -1, &fs.PathError{Op: "open", Path: filepath.Join(folder.Name(), name), Err: err}
		}
	}
}
