package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// outboxState is a snapshot of an outbox.
type outboxState struct {
	last, acked, dropped uint64
	// said and sent are the last message said, and the last ever taken, in numbers of the
	// session.
	said, sent uint64
	// sealed is true once the last message was said.
	sealed bool
	// cut is true if messages are missing behind the last one.
	cut bool
	// drained is true once the last message was said and everything is durable.
	drained bool
}

// undelivered is how many messages are not known to be durable.
func (s outboxState) undelivered() uint64 { return s.last - s.acked }

func (o *outbox) state() outboxState {
	o.mu.Lock()
	defer o.mu.Unlock()
	return outboxState{
		last: o.last, acked: o.acked, dropped: o.dropped, cut: o.cut,
		said: o.last - o.base, sent: max(o.taken, o.acked) - o.base,
		sealed:  o.sealed,
		drained: o.sealed && o.acked == o.last,
	}
}

// close ends the outbox. When messages were not delivered, all of them are left in
// the spool file, synced, and its path is returned; otherwise the spool is removed
// and the path is empty.
func (o *outbox) close() (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sealed = true
	if o.acked == o.last {
		if o.spool == nil {
			return "", nil
		}
		return "", o.spool.discard()
	}
	path := o.spoolPath
	if err := o.writeUndelivered(path + ".new"); err != nil {
		os.Remove(path + ".new")
		if o.spool != nil { // what is in the file already is worth keeping
			return path, errors.Join(err, o.spool.file.Close())
		}
		return "", err
	}
	if o.spool != nil {
		o.spool.file.Close()
	}
	if err := os.Rename(path+".new", path); err != nil {
		return path + ".new", fmt.Errorf("keeping undelivered messages: %w", err)
	}
	return path, nil
}

// writeUndelivered writes a spool file with all messages, memory before spool.
func (o *outbox) writeUndelivered(path string) (err error) {
	kept, err := createSpool(path, o.hello, 0)
	if err != nil {
		return fmt.Errorf("keeping undelivered messages: %w", err)
	}
	defer func() { err = errors.Join(err, kept.file.Close()) }()
	for _, payload := range o.memory {
		if err := kept.append(payload, true); err != nil {
			return fmt.Errorf("keeping undelivered messages: %w", err)
		}
	}
	if o.spool != nil {
		if _, err := kept.file.Seek(kept.write, 0); err != nil {
			return fmt.Errorf("keeping undelivered messages: %w", err)
		}
		out := bufio.NewWriter(kept.file)
		if err := errors.Join(o.spool.copyRest(out), out.Flush()); err != nil {
			return fmt.Errorf("keeping undelivered messages: %w", err)
		}
		if kept.write, err = kept.file.Seek(0, io.SeekCurrent); err != nil {
			return fmt.Errorf("keeping undelivered messages: %w", err)
		}
	}
	if o.final != nil {
		if err := kept.append(o.final, true); err != nil {
			return fmt.Errorf("keeping undelivered messages: %w", err)
		}
	}
	if err := kept.file.Sync(); err != nil {
		return fmt.Errorf("keeping undelivered messages: %w", err)
	}
	return nil
}
