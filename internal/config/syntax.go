package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
)

// errDocuments is the error of a file with more than one document.
type errDocuments struct{ line int }

func (e errDocuments) Error() string { return "a second YAML document begins here; keep one" }

// parse returns the top of the one document in data, nil if there is none.
func parse(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	err := decoder.Decode(&first)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, errDocuments{second.Line}
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return first.Content[0], nil
}

// explain turns an error of parse into a line, 0 if unknown, and a sentence.
func explain(data []byte, err error) (line int, text string) {
	var documents errDocuments
	if errors.As(err, &documents) {
		return documents.line, err.Error()
	}
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits; 0 on overflow, which means unknown
		text = text[len(m[0]):]
	}
	if found := locate(data); found > 0 {
		line = found
		if tabbed(data, line) {
			return line, "is not valid YAML: a tab in the indentation; use spaces"
		}
	}
	return line, "is not valid YAML: " + translate(text)
}

// translate returns what the parser's terms mean to the writer of a file.
func translate(text string) string {
	switch {
	case strings.Contains(text, "mapping values are not allowed"):
		return "a second \": \" on the line, or a wrong indentation; quote the value, or indent keys alike"
	case strings.Contains(text, "did not find expected key"),
		strings.Contains(text, "did not find expected '-' indicator"),
		strings.Contains(text, "did not find expected <document start>"):
		return "a wrong indentation, or text behind a complete value; indent keys alike, and quote values with " +
			"special characters"
	case strings.Contains(text, "could not find expected ':'"):
		return "a key without a value; write \"key: value\""
	case strings.Contains(text, "cannot start any token"):
		return "a value cannot begin with this character; quote the value"
	case strings.Contains(text, "did not find expected ',' or ']'"):
		return "a list is not closed; add \"]\""
	case strings.Contains(text, "did not find expected ',' or '}'"):
		return "a map is not closed; add \"}\""
	case strings.Contains(text, "unexpected end of stream"):
		return "a quoted text is not closed; add the closing quote"
	}
	if strings.ContainsFunc(text, value.Unprintable) {
		return value.Quote(text)
	}
	return text
}

// maxLocate bounds the text parsed by locate, in bytes; a file of 10 kB is far
// within it.
const maxLocate = 4 << 20

// locate returns the line at which data stops being YAML: the one after the
// longest run of lines from the top that is. The parser itself names the line
// where a construct began, one line too few, or none. It returns 0 when finding
// out takes too long.
func locate(data []byte) int {
	lines := bytes.SplitAfter(data, []byte("\n"))
	end, budget := len(data), maxLocate
	for i := len(lines) - 1; i >= 0; i-- {
		if len(lines[i]) == 0 {
			continue // what follows the last line break
		}
		end -= len(lines[i])
		if budget -= end; budget < 0 {
			return 0
		}
		if _, err := parse(data[:end]); err == nil {
			return i + 1
		}
	}
	return 0
}

// tabbed reports whether a line, from 1, is indented with a tab.
func tabbed(data []byte, line int) bool {
	text := bytes.Split(data, []byte("\n"))[line-1]
	indentation := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
	return bytes.ContainsRune(indentation, '\t')
}
