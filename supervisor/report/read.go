package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"bulkhead/internal/plaintext"
)

// ReadJSON reads what JSON writes, of this version or an older one of the same schema. It
// returns an error for anything else.
func ReadJSON(from io.Reader) (*Report, error) {
	r := new(Report)
	if err := json.NewDecoder(from).Decode(r); err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	if r.Schema != Schema && r.Schema != schemaOfNumbers {
		return nil, fmt.Errorf("reading a report: its schema is %q, want %q",
			plaintext.Line(r.Schema, plaintext.MaxName), Schema)
	}
	if s := r.Series; s != nil && !s.whole() {
		return nil, errors.New("reading a report: the lists of its series are not of one length")
	}
	return r, nil
}

// whole reports whether every list has as many entries as the series says.
func (s *Series) whole() bool {
	n, t := s.Intervals, &s.Total
	ok := s.IntervalNano > 0 || n == 0
	for _, list := range [][]uint64{t.Bytes, t.Chunks, t.Errors, t.Rollovers} {
		ok = ok && len(list) == n
	}
	for _, list := range [][]int64{t.P50Nano, t.P99Nano, t.P999Nano, t.MaxNano} {
		ok = ok && len(list) == n
	}
	return ok
}
