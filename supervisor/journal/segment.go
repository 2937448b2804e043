package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// SegmentSuffix ends the name of a segment file.
const SegmentSuffix = ".seg"

// segmentName returns the file name of the n-th segment, from 1.
func segmentName(n int) string {
	return fmt.Sprintf("%08d%s", n, SegmentSuffix)
}

// segment is a segment file as it was found.
type segment struct {
	name   string
	number int // from 1
	// start is how many bytes of the journal lie before it.
	start int64
	size  int64
	last  bool
}

// corrupt returns the error that says that s is damaged at offset.
func (s segment) corrupt(offset int64, format string, args ...any) error {
	return &CorruptError{Position{s.name, offset}, fmt.Sprintf(format, args...)}
}

// listSegments returns the segments of a journal in order. It returns ErrNoJournal
// when there is none, and a CorruptError when one is missing or misnamed, with those that
// lie before it.
func listSegments(dir string) ([]segment, error) {
	numbers, err := segmentNumbers(dir)
	if err != nil {
		return nil, err
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("reading %s: %w", dir, ErrNoJournal)
	}
	segments := make([]segment, 0, len(numbers))
	var start int64
	for i, n := range numbers {
		s := segment{name: segmentName(i + 1), number: i + 1, start: start, last: i == len(numbers)-1}
		if n != i+1 {
			return segments, s.corrupt(0, "file is missing, but %s is there", segmentName(n))
		}
		info, err := os.Lstat(filepath.Join(dir, s.name))
		if err != nil {
			return nil, fmt.Errorf("reading journal: %w", err)
		}
		if !info.Mode().IsRegular() {
			return segments, s.corrupt(0, "not a regular file")
		}
		s.size = info.Size()
		start += s.size
		segments = append(segments, s)
	}
	return segments, nil
}

// segmentNumbers returns the numbers of the segment files in dir, rising.
func segmentNumbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading %s: %w (the folder does not exist)", dir, ErrNoJournal)
	}
	if err != nil {
		return nil, fmt.Errorf("reading journal: %w", err)
	}
	var numbers []int
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), SegmentSuffix)
		if !ok {
			continue // the lock, tails that were moved aside
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || segmentName(n) != e.Name() {
			return nil, &CorruptError{Position{e.Name(), 0}, "not the name of a segment"}
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, nil
}

// checkHeader reads the header of s from f. It returns a breakage when the header is
// one that a crash can leave behind, and an error for anything else that is wrong.
func checkHeader(f io.ReaderAt, s segment) (*breakage, error) {
	var h [headerBytes]byte
	n, err := f.ReadAt(h[:min(headerBytes, s.size)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: %w", s.name, err)
	}
	switch {
	case n < headerBytes:
		return cutShort("segment header cut short: %d of %d bytes", n, headerBytes), nil
	case h == [headerBytes]byte{}:
		return &breakage{why: "segment header is all zeros"}, nil
	case string(h[:4]) != magic:
		return nil, s.corrupt(0, "not a journal segment: begins with %q, not %q", h[:4], magic)
	}
	if v := binary.LittleEndian.Uint32(h[4:]); v != formatVersion {
		return nil, fmt.Errorf("reading %s: %w: version %d, this program knows %d", s.name, ErrVersion, v,
			formatVersion)
	}
	if start := binary.LittleEndian.Uint64(h[8:]); start != uint64(s.start) {
		return nil, s.corrupt(8, "begins at byte %d of the journal, but %d bytes lie before it", start, s.start)
	}
	return nil, nil
}
