package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"bulkhead/supervisor/report/render"
	"bulkhead/supervisor/report/saved"
	"bulkhead/supervisor/rundir"
)

// Exported is what Export has written.
type Exported struct {
	// Folder is what was made, and Node where it was read.
	Folder  string
	Node    string
	Records uint64
	Bytes   int64
	Sum     [32]byte
	// Ended says that the run has its end, and Reported that its supervisors came to the same Sum.
	Ended, Reported bool
	// Damage is what is wrong with other replicas, and Unseen which nodes could not be asked.
	Damage []string
	Unseen []error
}

// Text writes what was exported for a person.
func (x Exported) Text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s\n  from        node %s\n  read        records %d, bytes %d\n  sha256      %x%s\n",
		x.Folder, x.Node, x.Records, x.Bytes, x.Sum, standing(x.Ended, x.Reported))
	return err
}

// standing returns how far a sum is one that others must come to.
func standing(ended, reported bool) string {
	switch {
	case reported:
		return ", as the supervisors reported"
	case ended:
		return ""
	default:
		return ", so far: the run has no end"
	}
}

// Export makes the folder of a run that is in an engine: its journal and its report, as the folder of a
// run that a supervisor kept itself. The folder is there when all of it is durable, or not at all; one
// that is there already is not touched.
func (e *Engine) Export(ctx context.Context, dir string) (x Exported, err error) {
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = errors.New("it is there already; name a folder that is not")
		}
		return x, fmt.Errorf("exporting to %s: %w", dir, pathless(err))
	}
	half, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-")
	if err != nil {
		return x, fmt.Errorf("exporting to %s: %w", dir, pathless(err))
	}
	defer os.RemoveAll(half) // gone already when all went well
	made, err := e.export(ctx, half)
	x = Exported{Folder: dir, Node: made.Node, Records: made.Records, Bytes: made.Bytes, Sum: made.Sum,
		Ended: made.Ended, Reported: made.Reported, Unseen: made.Unseen}
	for _, d := range made.Damage {
		x.Damage = append(x.Damage, d.Words())
	}
	if err != nil {
		return x, err
	}
	if made.Ended {
		if err := writeReports(half); err != nil {
			return x, err
		}
	}
	if err := settle(half, dir); err != nil {
		return x, fmt.Errorf("exporting to %s: %w", dir, err)
	}
	return x, nil
}

// writeReports writes the files of the report of a run that is over. What one says that reads the
// folder later is the same: damage of the engine's is none of the folder.
func writeReports(dir string) error {
	r, err := saved.Rebuilt(dir)
	if err != nil {
		return err
	}
	for _, f := range render.Kept() {
		write := func(to *os.File) error { return f.Write(r, to, nil) }
		if err := rundir.WriteWhole(filepath.Join(dir, f.FileName()), write); err != nil {
			return fmt.Errorf("writing %s: %w", f.FileName(), err)
		}
	}
	return nil
}

// settle gives a folder its name, durably, unless there is something of that name.
func settle(half, dir string) error {
	if err := syncFolder(half); err != nil {
		return err
	}
	err := unix.Renameat2(unix.AT_FDCWD, half, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) { // not on this file system
		if err = os.Mkdir(dir, 0o700); err == nil {
			err = os.Rename(half, dir)
		}
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// pathless returns an error about a path without the path.
func pathless(err error) error {
	var about *fs.PathError
	if errors.As(err, &about) {
		return about.Err
	}
	return err
}
