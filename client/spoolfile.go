package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// SpoolSummary is what ReadSpool found in a spool file.
type SpoolSummary struct {
	// ClientID is the id of the client that wrote the file, in hex.
	ClientID string
	// Messages is how many complete messages the file holds.
	Messages int
	// FirstSeq and LastSeq are the ends of their range; 0 for no messages.
	FirstSeq, LastSeq uint64
	// Torn says what ended the reading before the end of the file, and is empty
	// for a whole file: a frame that is incomplete, damaged or out of sequence.
	Torn string
}

// ReadSpool calls fn with every message of the spool file that a client kept
// because it could not deliver them, in order. It stops at the first frame that is
// not whole, says so in Torn, and returns what came before. It returns an error if
// the file cannot be read or is not a spool, and any error of fn.
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
	header := make([]byte, spoolHeaderBytes)
	if _, err := io.ReadFull(r, header); err != nil {
		return summary, fmt.Errorf("reading the header: %w", err)
	}
	if !bytes.HasPrefix(header, []byte(spoolMagic)) {
		return summary, errors.New("this is not a spool file of this version")
	}
	summary.ClientID = clientID(header[len(spoolMagic):]).String()
	for {
		payload, err := readFrame(r)
		if err == io.EOF {
			return summary, nil
		}
		if err != nil {
			summary.Torn = err.Error()
			return summary, nil
		}
		message := new(bulkheadv1.Message)
		if err := proto.Unmarshal(payload, message); err != nil {
			summary.Torn = fmt.Sprintf("message after %d: %v", summary.LastSeq, err)
			return summary, nil
		}
		if !summary.count(message.GetSeq()) {
			summary.Torn = fmt.Sprintf("message %d follows message %d", message.GetSeq(), summary.LastSeq)
			return summary, nil
		}
		if err := fn(message); err != nil {
			return summary, err
		}
	}
}

// count takes note of the next message. It returns false for one out of sequence.
func (s *SpoolSummary) count(seq uint64) bool {
	if seq == 0 || s.Messages > 0 && seq != s.LastSeq+1 {
		return false
	}
	if s.Messages == 0 {
		s.FirstSeq = seq
	}
	s.LastSeq = seq
	s.Messages++
	return true
}
