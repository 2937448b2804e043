package client

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// folders are where a client's consumers write: for each path of the configuration
// one folder of this client alone, and in it one for each consumer.
type folders struct {
	// consumers is the folder of each consumer, by index.
	consumers []string
	name      string
	made      []madeFolder
}

type madeFolder struct {
	path string
	info fs.FileInfo
}

// newFolders names the folders; it makes none.
func newFolders(cfg Config, id clientID) *folders {
	f := &folders{name: folderName(cfg.Name, id)}
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
	if err := os.MkdirAll(filepath.Dir(mine), 0o755); err != nil {
		return fmt.Errorf("making the path: %w", err)
	}
	if err := f.makeMine(mine); err != nil {
		return err
	}
	if err := os.Mkdir(own, 0o700); err != nil {
		return fmt.Errorf("making the consumer's folder: %w", err)
	}
	return nil
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

// remove removes every folder that was made, with all that is in it.
func (f *folders) remove() error {
	var problems []error
	for _, m := range f.made {
		if err := os.RemoveAll(m.path); err != nil {
			problems = append(problems, fmt.Errorf("removing load files: %w", err))
		}
	}
	return errors.Join(problems...)
}
