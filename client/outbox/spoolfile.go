package outbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/client/spec"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// SpoolSummary is what ReadSpool found in a spool file.
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

// ReadSpool calls fn with every message of the spool file that a client kept
// because it could not deliver them, in order. It stops at the first frame that is
// not whole, says so in Damage, and returns what came before. It returns an error
// if the file cannot be read or is not a spool, and any error of fn.
func ReadSpool(path string, fn func(*bulkheadv1.Message) error) (SpoolSummary, error) {
	file, err := os.Open(path)
	if err != nil {
		return SpoolSummary{}, fmt.Errorf("opening the spool: %w", err)
	}
	defer file.Close()
	summary, err := readSpool(bufio.NewReader(file), fn)
	if err != nil {
		return summary, fmt.Errorf("reading spool %s: %w", path, err)
	}
	return summary, nil
}

// readSpool is ReadSpool on the bytes of a file. It allocates no more than the
// input is long, within a small factor, whatever lengths the input claims.
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
		return fmt.Errorf("offset %d: this is a spool file of version %q; this program reads version %q", version, magic[version:], spoolMagic[version:])
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
		return fmt.Errorf("offset %d: the id of the client that wrote it has %d bytes; want %d", len(magic), n, protocol.ClientIDBytes)
	}
	s.ClientID = spec.ClientID(s.Hello.GetClientId()).String()
	s.Bytes = int64(len(magic)) + frameBytes(payload)
	s.start = s.Bytes
	return nil
}

// unpadded is the unknown fields of a Hello without the padding of a header.
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
		path = filepath.Join(path, spec.SpoolName)
	}
	file, err := os.Open(path)
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
	return &Spool{File: file, fixed: true, start: summary.start, read: summary.start, write: summary.Bytes}, summary, nil
}
