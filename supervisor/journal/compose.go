package journal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"iter"
	"os"
	"path/filepath"

	"bulkhead/internal/frame"
)

// Composed is what Compose has written.
type Composed struct {
	Records  uint64
	Bytes    int64 // of all segments
	Segments int
	// Sum is the SHA-256 of the segments, one after the other.
	Sum [sha256.Size]byte
}

// Compose writes a journal whose records are there already, encoded, into a folder that it makes. The
// bytes depend on nothing but the records and segmentBytes (0: one segment): the fields that tell how
// a record was written are not there. Everything is durable when it returns; after an error there is
// no folder.
func Compose(dir string, segmentBytes int64, records iter.Seq2[[]byte, error]) (made Composed, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return made, fmt.Errorf("making the folder of a journal: %w", err)
	}
	c := composer{dir: folder(dir), limit: segmentBytes, sum: sha256.New()}
	defer func() {
		if c.drop(); err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := c.begin(); err != nil {
		return made, err
	}
	for payload, err := range records {
		if err == nil {
			err = c.add(payload)
		}
		if err != nil {
			return made, err
		}
	}
	if err := c.end(); err != nil {
		return made, err
	}
	c.sum.Sum(c.made.Sum[:0])
	return c.made, errors.Join(c.dir.sync(), syncFolder(filepath.Dir(filepath.Clean(dir))))
}

// composer is a journal that is being composed.
type composer struct {
	dir   folder
	limit int64
	made  Composed
	sum   hash.Hash
	file  segmentFile
	size  int64 // of the segment
	buf   []byte
}

// begin makes the next segment.
func (c *composer) begin() error {
	name := segmentName(c.made.Segments + 1)
	file, err := c.dir.create(name)
	if err != nil {
		return fmt.Errorf("creating %s: %w", name, err)
	}
	c.file, c.size = file, 0
	header := encodeHeader(c.made.Bytes)
	c.made.Segments++
	return c.write(header)
}

// add writes a record, into the next segment if this one is full.
func (c *composer) add(payload []byte) error {
	if n := len(payload); n == 0 || n > maxPayloadBytes {
		return fmt.Errorf("record %d has %d bytes; 1 to %d are allowed", c.made.Records+1, n, maxPayloadBytes)
	}
	if c.limit > 0 && c.size+int64(len(c.buf)) >= c.limit && c.made.Records > 0 {
		if err := c.end(); err != nil {
			return err
		}
		if err := c.begin(); err != nil {
			return err
		}
	}
	c.made.Records++
	c.buf = frame.Append(c.buf, payload)
	if len(c.buf) < groupBytes {
		return nil
	}
	return c.flush()
}

// flush writes what has gathered.
func (c *composer) flush() error {
	err := c.write(c.buf)
	c.buf = c.buf[:0]
	return err
}

func (c *composer) write(p []byte) error {
	if err := writeAll(c.file, p); err != nil {
		return fmt.Errorf("writing %s: %w", segmentName(c.made.Segments), err)
	}
	c.sum.Write(p)
	c.size += int64(len(p))
	c.made.Bytes += int64(len(p))
	return nil
}

// end makes the segment durable.
func (c *composer) end() error {
	if err := c.flush(); err != nil {
		return err
	}
	err := errors.Join(c.file.Sync(), c.file.Close())
	c.file = nil
	if err != nil {
		return fmt.Errorf("syncing %s: %w", segmentName(c.made.Segments), err)
	}
	return nil
}

// drop closes the segment of a journal that did not come to an end.
func (c *composer) drop() {
	if c.file != nil {
		c.file.Close() // the folder goes
	}
}
