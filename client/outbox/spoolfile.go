package outbox

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/client/names"
	"bulkhead/client/spec"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// SpoolSummary is what was found in a spool file.
type SpoolSummary struct {
	// ClientID is the id of the client that wrote the file, in hex.
	ClientID string
	// Hello introduces that client; it has no token.
	Hello *bulkheadv1.Hello
	// Messages is how many complete messages the file holds.
	Messages int
	// FirstSeq and LastSeq are the ends of their range, in numbers of the session; 0 for no
	// messages.
	FirstSeq, LastSeq uint64
	// Bytes is how long the whole part of the file is: where a damage begins.
	Bytes int64
	// Damage says what ended the reading before the end of the file, and is empty
	// for a whole file: a frame that is incomplete, damaged or out of sequence. Torn
	// says that it is the end of the file that cuts the frame off, as it does when a
	// client dies while it writes.
	Damage string
	Torn   bool

	start int64 // offset of the first message
}

// readSpool calls fn with every message of a spool file, in order. It stops at the first frame
// that is not whole, says so in Damage, and returns what came before. It returns an error if r
// cannot be read or is not a spool, and any error of fn. It allocates no more than the input is
// long, within a small factor, whatever lengths the input claims.
func readSpool(r io.Reader, fn func(*bulkheadv1.Message) error) (SpoolSummary, error) {
	var summary SpoolSummary
	if err := summary.readHeader(r); err != nil {
		return summary, err
	}
	for {
		payload, err := readFrame(r)
		if err == io.EOF {
			return summary, nil
		}
		if err != nil {
			summary.Damage, summary.Torn = err.Error(), errors.Is(err, errTorn)
			return summary, nil
		}
		message := new(bulkheadv1.Message)
		if err := proto.Unmarshal(payload, message); err != nil {
			summary.Damage = fmt.Sprintf("message after %d: %v", summary.LastSeq, err)
			return summary, nil
		}
		if !summary.count(message.GetSeq()) {
			summary.Damage = fmt.Sprintf("message %d follows message %d", message.GetSeq(), summary.LastSeq)
			return summary, nil
		}
		summary.Bytes += frameBytes(payload)
		if err := fn(message); err != nil {
			return summary, err
		}
	}
}

// readHeader reads what comes before the messages.
func (s *SpoolSummary) readHeader(r io.Reader) error {
	magic := make([]byte, len(spoolMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		return fmt.Errorf("offset 0: reading the header: %w", err)
	}
	version := len(spoolMagic) - 1
	switch {
	case !bytes.Equal(magic[:version], []byte(spoolMagic[:version])):
		return errors.New("offset 0: this is not a spool file")
	case magic[version] != spoolMagic[version]:
		return fmt.Errorf("offset %d: this is a spool file of version %q; this program reads version %q", version,
			magic[version:], spoolMagic[version:])
	}
	payload, err := readFrame(r)
	if err == io.EOF {
		err = errTorn
	}
	if err != nil {
		return fmt.Errorf("offset %d: who wrote it cannot be read: %w", len(magic), err)
	}
	s.Hello = new(bulkheadv1.Hello)
	if err := proto.Unmarshal(payload, s.Hello); err != nil {
		return fmt.Errorf("offset %d: who wrote it cannot be read: %w", len(magic), err)
	}
	s.Hello.ProtoReflect().SetUnknown(unpadded(s.Hello.ProtoReflect().GetUnknown()))
	if n := len(s.Hello.GetClientId()); n != protocol.ClientIDBytes {
		return fmt.Errorf("offset %d: the id of the client that wrote it has %d bytes; want %d", len(magic), n,
			protocol.ClientIDBytes)
	}
	err = cmp.Or(protocol.CheckRun(s.Hello.GetRunId()), protocol.CheckRun(s.Hello.GetContinues().GetRunId()))
	if err != nil {
		return fmt.Errorf("offset %d: the run of the client that wrote it %w", len(magic), err)
	}
	s.ClientID = spec.Secret(s.Hello.GetClientId()).ID().String()
	s.Bytes = int64(len(magic)) + frameBytes(payload)
	s.start = s.Bytes
	return nil
}

// unpadded returns the unknown fields of a Hello without the padding of a header.
func unpadded(fields protoreflect.RawFields) protoreflect.RawFields {
	var rest protoreflect.RawFields
	for len(fields) > 0 {
		number, _, n := protowire.ConsumeField(fields)
		if n < 0 { // which cannot be: they were read
			return rest
		}
		if number != paddingField {
			rest = append(rest, fields[:n]...)
		}
		fields = fields[n:]
	}
	return rest
}

// count takes note of the next message. It returns false for one out of sequence.
func (s *SpoolSummary) count(seq uint64) bool {
	base := s.Hello.GetContinues().GetBefore()
	if seq <= base || s.Messages > 0 && seq-base != s.LastSeq+1 {
		return false
	}
	seq -= base
	if s.Messages == 0 {
		s.FirstSeq = seq
	}
	s.LastSeq = seq
	s.Messages++
	return true
}

// ErrSpoolInUse says that the client that writes a spool is still running.
var ErrSpoolInUse = errors.New("the client that writes it is still running")

// OpenSpool opens a spool file in order to read it, and leaves it as it is. The
// file is locked until the spool is closed. path may also be the folder that the
// file is in. It returns an error that wraps ErrSpoolInUse if its client, or
// another reader, has it.
func OpenSpool(path string) (*Spool, SpoolSummary, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, names.Spool)
	}
	file, err := ownfile.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, SpoolSummary{}, fmt.Errorf("opening the spool: %w", err)
	}
	if err := lockSpool(file); err != nil {
		file.Close()
		return nil, SpoolSummary{}, fmt.Errorf("opening spool %s: %w", path, err)
	}
	summary, err := readSpool(bufio.NewReader(file), func(*bulkheadv1.Message) error { return nil })
	if err != nil {
		file.Close()
		return nil, summary, fmt.Errorf("reading spool %s: %w", path, err)
	}
	return &Spool{File: file, fixed: true, start: summary.start, read: summary.start,
		write: summary.Bytes}, summary, nil
}
