package site

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"bulkhead/client/names"
	"bulkhead/client/spec"
)

// Folders are where a client's consumers write: for each path of the configuration
// one folder of this client alone, and in it one for each consumer.
//
//	PATH/.bulkhead                       load files may be written here
//	PATH/bulkhead-NAME-ID/client.json    whose folder this is, locked while it lives
//	PATH/bulkhead-NAME-ID/consumer-0/    load files
type Folders struct {
	// Consumers is the folder of each consumer, by index.
	Consumers []string
	// Reserves is what each consumer leaves free, by index; nothing until its file system
	// was looked at.
	Reserves []Kept
	name     string
	force    bool
	here     Origin
	record   Record // but for the run
	made     []madeFolder
	above    []string // the folders above them that were made, too, outermost first
	log      *slog.Logger
}

// Kept is what is kept in reserve of a file system.
type Kept struct{ Bytes, Inodes uint64 }

// madeFolder is the client's folder in one path. The root is for what is below it.
type madeFolder struct {
	path   string
	info   fs.FileInfo
	root   *os.Root
	record *recordFile
}

// New names the folders; it makes none.
func New(cfg spec.Config, id spec.ClientID) *Folders {
	me := Here()
	f := &Folders{
		name: names.ClientFolder(cfg.Name, id.String()), Reserves: make([]Kept, len(cfg.Consumers)),
		force: cfg.Force, here: me, record: recordOf(cfg, id, me), log: cfg.Logger,
	}
	for i, c := range cfg.Consumers {
		f.Consumers = append(f.Consumers, filepath.Join(c.Path, f.name, names.ConsumerFolder(i)))
	}
	return f
}

// Make makes the folder of one consumer and opens it. The configured path may be or
// hold a symbolic link; the folders below it are new, private directories, never
// something that was there before.
func (f *Folders) Make(consumer int) (*os.Root, error) {
	own := f.Consumers[consumer]
	path := filepath.Dir(filepath.Dir(own))
	if err := f.makeAbove(path); err != nil {
		return nil, err
	}
	mine, err := f.makeMine(path)
	if errors.Is(err, fs.ErrNotExist) { // another client that made the path has just ended
		if err = f.makeAbove(path); err == nil {
			mine, err = f.makeMine(path)
		}
	}
	if err != nil {
		return nil, err
	}
	base := filepath.Base(own)
	if err := mine.Mkdir(base, 0o700); err != nil {
		return nil, fmt.Errorf("making the consumer's folder: %w", err)
	}
	folder, err := mine.OpenRoot(base)
	if err != nil {
		return nil, fmt.Errorf("opening the consumer's folder: %w", err)
	}
	return folder, nil
}

// makeAbove makes a configured path that is not there.
func (f *Folders) makeAbove(path string) error {
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
	f.log.Info("created the path, which did not exist", "path", path, "first_created", missing[0])
	return nil
}

// makeMine makes the client's folder in a path, unless an earlier consumer had it made,
// perhaps by another name of the same path. Whoever comes first has to be let in, and
// clears away what crashed clients left.
func (f *Folders) makeMine(path string) (*os.Root, error) {
	site, err := OpenSite(path)
	if err != nil {
		return nil, err
	}
	defer site.Root.Close()
	if info, err := site.Root.Lstat(f.name); err == nil {
		for _, m := range f.made {
			if os.SameFile(m.info, info) {
				return m.root, nil
			}
		}
		return nil, fmt.Errorf("making the client's folder: %s already exists, and is not this client's",
			filepath.Join(path, f.name))
	}
	if err := site.claim(f.force); err != nil {
		return nil, err
	}
	f.removeLeftovers(site)
	return f.add(site)
}

// add makes the client's folder in a site, with its record.
func (f *Folders) add(site *Site) (*os.Root, error) {
	if err := site.Root.Mkdir(f.name, 0o700); err != nil {
		return nil, fmt.Errorf("making the client's folder: %w", err)
	}
	m := madeFolder{path: filepath.Join(site.path, f.name)}
	root, err := site.openFolder(f.name)
	if err != nil {
		return nil, fmt.Errorf("opening the client's folder: %w", err)
	}
	m.root = root
	if m.info, err = root.Stat("."); err != nil {
		return nil, fmt.Errorf("opening the client's folder: %w", errors.Join(err, root.Close()))
	}
	if m.record, err = createRecord(root, f.record); err != nil {
		return nil, errors.Join(err, root.Close(), site.Root.RemoveAll(f.name))
	}
	f.made = append(f.made, m)
	return root, nil
}

// Paths returns the folders that were made for the client.
func (f *Folders) Paths() []string {
	var paths []string
	for _, m := range f.made {
		paths = append(paths, m.path)
	}
	return paths
}

// Close gives up the folders: whoever finds them from now on may remove them, unless
// they are to be kept. It is called once, when no worker is left.
func (f *Folders) Close() {
	for _, m := range f.made {
		_ = m.root.Close()   // a folder
		_ = m.record.close() // nothing more is written
	}
}

// Leave removes what was made around the client's folders and nobody uses: markers,
// and paths that were not there.
func (f *Folders) Leave() {
	for _, m := range f.made {
		if site, err := OpenSite(filepath.Dir(m.path)); err == nil {
			site.release()
			_ = site.Root.Close() // a folder
		}
	}
	for _, path := range slices.Backward(f.above) {
		removeEmpty(path) // unless somebody else's files are in it, or it is gone
	}
}
