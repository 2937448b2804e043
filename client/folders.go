package client

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// folders are where a client's consumers write: for each path of the configuration
// one folder of this client alone, and in it one for each consumer.
type folders struct {
	// consumers is the folder of each consumer, by index.
	consumers []string
	// reserves is the free space that each consumer leaves, in bytes, by index; 0 until
	// its file system was looked at.
	reserves []uint64
	name     string
	made     []madeFolder
	above    []string // the folders above them that were made, too, outermost first
	log      *slog.Logger
}

type madeFolder struct {
	path string
	info fs.FileInfo
}

// newFolders names the folders; it makes none.
func newFolders(cfg Config, id clientID) *folders {
	f := &folders{name: folderName(cfg.Name, id), reserves: make([]uint64, len(cfg.Consumers)), log: cfg.Logger}
	for i, c := range cfg.Consumers {
		f.consumers = append(f.consumers, filepath.Join(c.Path, f.name, "consumer-"+strconv.Itoa(i)))
	}
	return f
}

// make makes the folder of one consumer. The configured path may be or hold a
// symbolic link; the folders below it are new, private directories, never
// something that was there before.
func (f *folders) make(consumer int) error {
	own := f.consumers[consumer]
	mine := filepath.Dir(own)
	if err := f.makeAbove(filepath.Dir(mine)); err != nil {
		return err
	}
	err := f.makeMine(mine)
	if errors.Is(err, fs.ErrNotExist) { // another client that made the path has just ended
		if err = f.makeAbove(filepath.Dir(mine)); err == nil {
			err = f.makeMine(mine)
		}
	}
	if err != nil {
		return err
	}
	if err := os.Mkdir(own, 0o700); err != nil {
		return fmt.Errorf("making the consumer's folder: %w", err)
	}
	return nil
}

// makeAbove makes a configured path that is not there.
func (f *folders) makeAbove(path string) error {
	var missing []string
	for at := path; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		missing = append([]string{at}, missing...)
	}
	f.above = append(f.above, missing...) // also if not all of them can be made
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("making the path: %w", err)
	}
	if len(missing) == 0 {
		return nil
	}
	f.log.Info("the path was not there and is made", "path", path, "first_made", missing[0])
	return nil
}

// removeAbove removes what makeAbove made and nobody uses. The client's own folders
// are gone.
func (f *folders) removeAbove() {
	for _, path := range slices.Backward(f.above) {
		_ = os.Remove(path) // somebody else's files are in it, or it is gone
	}
}

// makeMine makes the client's folder, unless an earlier consumer had it made,
// perhaps by another name of the same path.
func (f *folders) makeMine(path string) error {
	err := os.Mkdir(path, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the client's folder: %w", err)
	}
	info, statErr := os.Lstat(path)
	if statErr != nil {
		return fmt.Errorf("making the client's folder: %w", statErr)
	}
	if err == nil {
		f.made = append(f.made, madeFolder{path, info})
		return nil
	}
	for _, m := range f.made {
		if os.SameFile(m.info, info) {
			return nil
		}
	}
	return fmt.Errorf("making the client's folder: %s is there already and not this client's", path)
}

// paths are the folders that were made for the client.
func (f *folders) paths() []string {
	var paths []string
	for _, m := range f.made {
		paths = append(paths, m.path)
	}
	return paths
}
