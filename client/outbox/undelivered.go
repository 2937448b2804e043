package outbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bulkhead/internal/wholefile"
)

// State is a snapshot of an outbox.
type State struct {
	Last, Acked, Dropped uint64
	// Said and sent are the last message said, and the last ever taken, in numbers of the
	// session.
	Said, Sent uint64
	// Sealed is true once the last message was said.
	Sealed bool
	// Cut is true if messages are missing behind the last one.
	Cut bool
	// Drained is true once the last message was said and everything is durable.
	Drained bool
}

// Undelivered returns how many messages are not known to be durable.
func (s State) Undelivered() uint64 { return s.Last - s.Acked }

// State returns a snapshot of the outbox.
func (o *Outbox) State() State {
	o.mu.Lock()
	defer o.mu.Unlock()
	return State{
		Last: o.last, Acked: o.acked, Dropped: o.dropped, Cut: o.cut,
		Said: o.last - o.base, Sent: max(o.taken, o.acked) - o.base,
		Sealed:  o.sealed,
		Drained: o.sealed && o.acked == o.last,
	}
}

// Close ends the outbox. When messages were not delivered, all of them are left in
// the spool file, synced, and its path is returned; otherwise the spool is removed
// and the path is empty.
func (o *Outbox) Close() (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sealed = true
	if o.acked == o.last {
		if o.Spool == nil {
			return "", nil
		}
		return "", o.Spool.discard()
	}
	path := o.SpoolPath
	if err := o.writeUndelivered(path + ".new"); err != nil {
		os.Remove(path + ".new")
		if o.Spool != nil { // what is in the file already is worth keeping
			return path, errors.Join(err, o.Spool.File.Close())
		}
		return "", err
	}
	if o.Spool != nil {
		o.Spool.File.Close()
	}
	if err := os.Rename(path+".new", path); err != nil {
		return path + ".new", fmt.Errorf("keeping undelivered messages: %w", err)
	}
	if err := wholefile.SyncFolder(filepath.Dir(path)); err != nil {
		return path, fmt.Errorf("keeping undelivered messages: %w", err)
	}
	return path, nil
}

// writeUndelivered writes a spool file with all messages, memory before spool.
func (o *Outbox) writeUndelivered(path string) (err error) {
	kept, err := createSpool(path, o.Hello, 0)
	if err != nil {
		return fmt.Errorf("keeping undelivered messages: %w", err)
	}
	defer func() { err = errors.Join(err, kept.File.Close()) }()
	for _, payload := range o.memory {
		if err := kept.append(payload, true); err != nil {
			return fmt.Errorf("keeping undelivered messages: %w", err)
		}
	}
	if o.Spool != nil {
		if _, err := kept.File.Seek(kept.write, 0); err != nil {
			return fmt.Errorf("keeping undelivered messages: %w", err)
		}
		out := bufio.NewWriter(kept.File)
		if err := errors.Join(o.Spool.copyRest(out), out.Flush()); err != nil {
			return fmt.Errorf("keeping undelivered messages: %w", err)
		}
		if kept.write, err = kept.File.Seek(0, io.SeekCurrent); err != nil {
			return fmt.Errorf("keeping undelivered messages: %w", err)
		}
	}
	if o.final != nil {
		if err := kept.append(o.final, true); err != nil {
			return fmt.Errorf("keeping undelivered messages: %w", err)
		}
	}
	if err := kept.File.Sync(); err != nil {
		return fmt.Errorf("keeping undelivered messages: %w", err)
	}
	return nil
}
