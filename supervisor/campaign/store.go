package campaign

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"bulkhead/internal/ownfile"
	"bulkhead/internal/wholefile"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/rundir"
)

// What a campaign's folder holds, besides what all its runs came to.
const (
	// File is how far it is, and JobFile the job's file as it was given.
	File    = "campaign.json"
	JobFile = "job.yaml"
	// latest is the link to the newest folder.
	latest = "latest"
)

// maxFile bounds the file of a campaign: a job with all its loads, as the control API takes it, in
// base64, and a thousand runs.
const maxFile = 16 << 20

// Store keeps the campaigns of a supervisor, each in a folder of its own in Path.
type Store struct{ Path string }

// newID returns the name of a new campaign's folder.
func newID(now time.Time) string {
	suffix := make([]byte, 3)
	rand.Read(suffix) // never fails
	return now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(suffix)
}

// folder returns the folder of a campaign.
func (s Store) folder(id string) string { return filepath.Join(s.Path, id) }

// save writes how far a campaign is; the first time it makes its folder, which is the latest then.
func (s Store) save(c *bulkheadv1.Campaign) error {
	dir := s.folder(c.GetId())
	text, err := protojson.MarshalOptions{Multiline: true, UseProtoNames: true}.Marshal(c)
	if err != nil {
		return fmt.Errorf("writing how far the job is: %w", err)
	}
	_, err = os.Stat(dir)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		if err := s.create(dir, c); err != nil {
			return fmt.Errorf("making the folder of a job: %w", err)
		}
	}
	if err := rundir.WriteWhole(filepath.Join(dir, File), func(f *os.File) error {
		_, err := f.Write(append(text, '\n'))
		return err
	}); err != nil {
		return fmt.Errorf("writing how far the job is: %w", err)
	}
	if fresh {
		return s.point(c.GetId())
	}
	return nil
}

// create makes a campaign's folder, with the job's file in it.
func (s Store) create(dir string, c *bulkheadv1.Campaign) error {
	if err := os.Mkdir(s.Path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := ownfile.CheckFolder(s.Path); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return rundir.WriteWhole(filepath.Join(dir, JobFile), func(f *os.File) error {
		_, err := f.WriteString(c.GetJob().GetText())
		return err
	})
}

// point makes the link to the latest lead to a campaign.
func (s Store) point(id string) error {
	fresh := filepath.Join(s.Path, "."+id)
	err := os.Symlink(id, fresh)
	if err == nil {
		err = os.Rename(fresh, filepath.Join(s.Path, latest))
	}
	if err != nil {
		os.Remove(fresh)
		return fmt.Errorf("pointing %s at job %s: %w", latest, id, err)
	}
	for _, folder := range []string{s.Path, filepath.Dir(s.Path)} { // which may be new, too
		if err := wholefile.SyncFolder(folder); err != nil {
			return fmt.Errorf("making the folder of a job: %w", err)
		}
	}
	return nil
}

// followed reports whether a campaign had a run, and another has followed it.
func (s Store) followed(id string) bool {
	newest, err := os.Readlink(filepath.Join(s.Path, latest))
	if err != nil || filepath.Base(newest) < id { // ids begin with the time; it was killed before it was the latest
		return false
	}
	_, err = os.Lstat(filepath.Join(s.folder(filepath.Base(id)), File))
	return err == nil
}

// load returns the latest campaign; nil if there is none.
func (s Store) load() (*bulkheadv1.Campaign, error) {
	id, err := os.Readlink(filepath.Join(s.Path, latest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the latest job: %w", err)
	}
	return Read(s.folder(filepath.Base(id)))
}

// Read returns the campaign whose folder it is; an error that wraps fs.ErrNotExist if it is no
// campaign's.
func Read(dir string) (*bulkheadv1.Campaign, error) {
	text, err := ownfile.Read(filepath.Join(dir, File), maxFile)
	if err != nil {
		return nil, fmt.Errorf("reading how far a job is: %w", err)
	}
	c := &bulkheadv1.Campaign{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("reading how far a job is: %s: %w", filepath.Join(dir, File), err)
	}
	return c, nil
}
