package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
	"bulkhead/internal/ownfile"
)

// MaxFile is the largest configuration file, in bytes.
const MaxFile = 1 << 20

// readFile takes values from the YAML file, if there is one. It returns false
// after reporting why the file as a whole could not be read.
func (l *loader) readFile(fields []field) bool {
	if l.path == "" {
		return true
	}
	data, err := readBounded(l.path)
	if err != nil {
		l.problem(origin{source: fromFile, name: l.file}, "", err.Error())
		return false
	}
	l.source = string(data)
	root, ok := l.root(data)
	if root != nil {
		l.section(entry{line: root.Line, node: root}, "", fields)
	}
	return ok
}

// root returns the top of the text of a file, nil if there is nothing in it; false after reporting
// why it cannot be read.
func (l *loader) root(data []byte) (*yaml.Node, bool) {
	if line, text := badText(data); text != "" {
		l.problem(origin{source: fromFile, name: l.file, line: line}, "", text)
		return nil, false
	}
	root, err := parse(data)
	if err != nil {
		line, text := explain(data, err)
		l.problem(origin{source: fromFile, name: l.file, line: line}, "", text)
		return nil, false
	}
	return root, true
}

// readBounded reads a whole file of at most MaxFile bytes. Its error says what is
// wrong without naming the file.
func readBounded(path string) ([]byte, error) {
	data, err := ownfile.ReadNamed(path, MaxFile)
	var failed *fs.PathError
	var large *ownfile.SizeError
	var kind *ownfile.KindError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("there is no such file; give the path of a YAML file")
	case errors.As(err, &large):
		return nil, fmt.Errorf("is larger than %s; give a configuration file", value.Size(MaxFile))
	case errors.As(err, &kind):
		return nil, fmt.Errorf("cannot be read: it is %s; give the path of a YAML file", ownfile.Kind(kind.Mode))
	case errors.As(err, &failed):
		return nil, fmt.Errorf("cannot be read: %w", failed.Err)
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return data, nil
}

// badText finds the first line that is not plain text, and returns why; the text is
// empty if there is none. It refuses what YAML refuses, and the line breaks that
// only YAML counts, which would make every later line number wrong.
func badText(data []byte) (line int, text string) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	line = 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			return line, "is not UTF-8 text; save the file as UTF-8"
		case r == '\n':
			line++
		case r == '\t' || r == '\r':
		case unicode.IsControl(r) || strings.ContainsRune("\u2028\u2029\ufeff\ufffe\uffff", r):
			return line, fmt.Sprintf("holds the control character %U; remove it", r)
		}
		data = data[size:]
	}
	return 0, ""
}
