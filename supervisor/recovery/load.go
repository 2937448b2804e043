package recovery

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// Loaded is what a journal says of its run, and how that was found.
type Loaded struct {
	Past *Past
	// From is the end of the checkpoint that was used; the zero value if none was.
	From journal.Mark
	// File is the name of its file; "" if none was.
	File string
	// Unused says why checkpoints that are there were not used.
	Unused []error
	// Summary is that of the replay of what follows.
	journal.Summary
}

// Load folds the journal in dir: the newest checkpoint that fits, and the records that follow
// it, or all records. Its errors are those of journal.Replay; Past and Summary say how far it
// came then. Damage behind a checkpoint that fits is no reason to look for another one: the
// records up to there would only be read again.
func Load(dir string) (Loaded, error) {
	var unused []error
	for _, name := range files {
		l, err := loadFrom(dir, name)
		if err == nil || errors.Is(err, journal.ErrCorrupt) && !errors.Is(err, journal.ErrForeignMark) {
			l.Unused, l.File = unused, name
			return l, err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			unused = append(unused, fmt.Errorf("%s: %w", name, err))
		}
	}
	l := Loaded{Past: New(), Unused: unused}
	var err error
	l.Summary, err = journal.ReplayShort(dir, journal.Mark{}, shorten, l.add)
	return l, err
}

// loadFrom folds the journal in dir from one of its checkpoints on.
func loadFrom(dir, name string) (l Loaded, err error) {
	if l.Past, l.From, err = read(filepath.Join(dir, name)); err != nil {
		return l, err
	}
	if err := l.Past.belongsTo(dir); err != nil {
		return l, err
	}
	l.Summary, err = journal.ReplayShort(dir, l.From, shorten, l.add)
	return l, err
}

func (l *Loaded) add(rec *bulkheadv1.Record, _ journal.Mark) error { return l.Past.Add(rec) }

// belongsTo returns an error unless the journal in dir is of the run.
func (r *Past) belongsTo(dir string) error {
	run, enough := "", errors.New("read enough")
	_, err := journal.Replay(dir, func(rec *bulkheadv1.Record) error {
		run = rec.GetRunStarted().GetRunId()
		return enough
	})
	switch {
	case err != nil && !errors.Is(err, enough):
		return err
	case run == "" || run != r.RunID:
		return fmt.Errorf("it is of run %q, and the journal of run %q", r.RunID, run)
	}
	return nil
}
