package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"bulkhead/client/names"
	"bulkhead/internal/ownfile"
)

const (
	// markerText begins a marker that a client made and the last client removes. A
	// marker with other content is somebody's own and stays.
	markerText = "Bulkhead writes load files below this folder, which it made or found empty.\n" +
		"This file goes with the last of them.\n"
	// foreignShown is how many names of foreign files are told.
	foreignShown = 3
)

// ErrForeign is wrapped by the refusal of a path that holds files of others.
var ErrForeign = errors.New("holds files that are not Bulkhead's")

// Site is a configured path. Everything below it is reached through root, so that no
// symbolic link leads out of it; the path itself may be one.
type Site struct {
	path string
	Root *os.Root
}

// OpenSite opens a path that exists.
func OpenSite(path string) (*Site, error) {
	// Before it is opened: that would wait for a writer of a named pipe.
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("it is %s, and load files need a folder", ownfile.Kind(info.Mode()))
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening the path: %w", err)
	}
	return &Site{path: path, Root: root}, nil
}

// Contents is what a site holds, as far as it matters whose it is.
type Contents struct {
	Clients []string // names of the folders of clients
	foreign []string // names of what is nobody of ours, not more than foreignShown+1
	marked  bool
	marker  error // why the marker lets nobody in; nil if it does
}

// Look sorts what a site holds.
func (s *Site) Look() (Contents, error) {
	var c Contents
	dir, err := s.Root.Open(".")
	if err != nil {
		return c, fmt.Errorf("listing the path: %w", err)
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(256)
		for _, entry := range entries {
			switch name := entry.Name(); {
			case name == names.Marker:
				c.marked, c.marker = true, s.checkMarker()
			case name == "lost+found":
			case entry.IsDir() && names.IsWorkDir(name):
				// A working folder may be in the same path. One that a client left holds undelivered
				// messages, and stays.
			case entry.IsDir() && strings.HasPrefix(name, names.WorkDirPrefix) && s.isClientFolder(name):
				c.Clients = append(c.Clients, name)
			case len(c.foreign) <= foreignShown:
				c.foreign = append(c.foreign, name)
			}
		}
		if errors.Is(err, io.EOF) {
			slices.Sort(c.foreign)
			return c, nil
		}
		if err != nil {
			return c, fmt.Errorf("listing the path: %w", err)
		}
	}
}

// isClientFolder reports whether a folder has the record of a client, or is empty, as it
// is before that is written and after it was removed. Of another user's folder, which is
// private, only the name can be seen.
func (s *Site) isClientFolder(name string) bool {
	folder, err := s.openFolder(name)
	if errors.Is(err, fs.ErrPermission) {
		_, ok := names.ClientIn(name)
		return ok
	}
	if err != nil {
		return false
	}
	defer folder.Close()
	if info, err := folder.Lstat(names.Record); err == nil {
		return info.Mode().IsRegular()
	}
	dir, err := folder.Open(".")
	if err != nil {
		return false
	}
	defer dir.Close()
	_, err = dir.ReadDir(1)
	return errors.Is(err, io.EOF)
}

// openFolder opens a folder of the site that is one itself, not a link to one.
func (s *Site) openFolder(name string) (*os.Root, error) {
	info, err := s.Root.Lstat(name)
	if err != nil {
		return nil, err
	}
	folder, err := s.Root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	opened, err := folder.Stat(".")
	if err == nil && !os.SameFile(info, opened) {
		err = fmt.Errorf("%s is a symbolic link, or was replaced", name)
	}
	if err != nil {
		folder.Close()
		return nil, err
	}
	return folder, nil
}

// claim makes sure that load files may be written to the site: it holds nothing of
// others, or somebody has marked it, or force says so. A site that holds nothing of
// others is marked, so that other clients may come although something is in it later.
func (s *Site) claim(force bool) error {
	if force {
		return nil // this once; nothing is marked
	}
	c, err := s.Look()
	if err != nil {
		return err
	}
	if err := c.Refusal(s.path, force); err != nil || c.marked {
		return err
	}
	marker, err := s.Root.OpenFile(names.Marker, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil // another client was faster
	}
	if err != nil {
		return fmt.Errorf("marking the path: %w", err)
	}
	_, err = io.WriteString(marker, markerText)
	_ = marker.Sync() // else it may be empty when the machine's power fails, and stay as somebody's own
	if err := errors.Join(err, marker.Close()); err != nil {
		return fmt.Errorf("marking the path: %w", errors.Join(err, s.Root.Remove(names.Marker)))
	}
	return nil
}

// Refusal returns why load files may not be written to the path with these contents.
func (c Contents) Refusal(path string, force bool) error {
	switch {
	case force:
		return nil
	case c.marked && c.marker != nil:
		return fmt.Errorf("%s is marked by somebody else: %w", path, c.marker)
	case c.marked, len(c.foreign) == 0:
		return nil
	}
	return fmt.Errorf("%s %w: %s", path, ErrForeign, foreignText(c.foreign))
}

// checkMarker returns why a marker lets nobody in: whoever can make a file in the path could let
// clients write among the files of others.
func (s *Site) checkMarker() error {
	marker, err := ownfile.OpenIn(s.Root, names.Marker, unix.O_PATH, 0) // which need not be readable
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its client has just ended
	}
	if err != nil {
		return err
	}
	return marker.Close()
}

// release removes the marker of a client when no client's folder is left. That a
// client may be about to make one does no harm: it was let in.
func (s *Site) release() {
	c, err := s.Look()
	if err != nil || !c.marked || len(c.Clients) > 0 {
		return
	}
	// Whatever stands in the way, the marker is only a small file that stays.
	if text, err := ownfile.ReadIn(s.Root, names.Marker, int64(len(markerText))); err == nil &&
		string(text) == markerText {
		_ = s.Root.Remove(names.Marker)
	}
}

// foreignText names a few of the files.
func foreignText(names []string) string {
	if len(names) > foreignShown {
		return strings.Join(names[:foreignShown], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// removeEmpty removes a folder if it is one and empty.
func removeEmpty(path string) { _ = unix.Rmdir(path) }
