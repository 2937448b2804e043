package child

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"

	"bulkhead/internal/child/handshake"
)

// VersionError says that a child is of a program that speaks with another version of its parent: most
// likely it was installed at another time.
type VersionError struct{ Speaks, Needs int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("it is of another version: with its parent it speaks version %d, and this program %d", e.Speaks,
		e.Needs)
}

// spoken is the version that a child has named in its first line; 0 before, and if it is no such line.
type spoken struct{ version atomic.Int32 }

// wrong returns a *VersionError if a child has named another version than this program's.
func (s *spoken) wrong() error {
	if v := int(s.version.Load()); v != 0 && v != handshake.Version {
		return &VersionError{v, handshake.Version}
	}
	return nil
}

// greeting is a child's stdout, whose first line is looked at on its way.
type greeting struct {
	io.ReadCloser
	first  []byte // until it is decided
	over   bool
	spoken *spoken
}

func (g *greeting) Read(b []byte) (int, error) {
	n, err := g.ReadCloser.Read(b)
	if g.over {
		return n, err
	}
	line, _, whole := bytes.Cut(b[:n], []byte("\n"))
	g.first = append(g.first, line[:min(len(line), handshake.VersionBytes-len(g.first))]...)
	if whole || err != nil || len(g.first) == handshake.VersionBytes {
		g.spoken.version.Store(int32(handshake.VersionIn(string(g.first))))
		g.over, g.first = true, nil
	}
	return n, err
}
