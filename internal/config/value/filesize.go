package value

import (
	"fmt"
	"strings"

	"bulkhead/internal/workload"
)

// FileSize is the range from which the size of each file is drawn evenly; Min is at
// most Max.
type FileSize struct{ Min, Max Size }

// MaxFileSize is the largest size of a file.
const MaxFileSize Size = workload.MaxFile

// String returns f as it is written on one line: "64MiB", or "1MiB..64MiB".
func (f FileSize) String() string {
	if f.Min == f.Max {
		return f.Max.String()
	}
	return f.Min.String() + ".." + f.Max.String()
}

// ValidFileSize returns what a FileSize can be, in words.
func ValidFileSize() string {
	return fmt.Sprintf("%s to %s, or a range, as in 1MiB..64MiB", Size(1), MaxFileSize)
}

// ParseFileSize reads a file size that is written on one line.
func ParseFileSize(text string) (FileSize, error) {
	lowText, highText, ranged := strings.Cut(text, "..")
	if !ranged {
		highText = text
	}
	var f FileSize
	for _, end := range []struct {
		text string
		dst  *Size
	}{{lowText, &f.Min}, {highText, &f.Max}} {
		size, err := ParseSize(end.text)
		if err != nil {
			return f, err
		}
		if size < 1 || size > MaxFileSize {
			return f, fmt.Errorf("%s is out of range; use %s to %s", Quote(end.text), Size(1), MaxFileSize)
		}
		*end.dst = size
	}
	if f.Min > f.Max {
		return f, fmt.Errorf("%s is a range from %s down to %s; give the smaller size first", Quote(text), f.Min, f.Max)
	}
	return f, nil
}
