package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// FileName is the name of a report's JSON in the folder of its run. A folder that holds it
// is that of a run that is reported.
const FileName = "report.json"

// JSON writes the report as indented JSON, with fields in a fixed order and a
// line break at the end. A list of numbers is one line. It is encoded piece by piece, so
// that a large report needs no memory for all of its text. An error is w's.
func (r *Report) JSON(w io.Writer) error { return WriteJSON(w, r) }

// WriteJSON writes what v points to, a struct, as JSON does a report.
func WriteJSON(w io.Writer, v any) error {
	out := bufio.NewWriter(w)
	e := &encoder{out: out}
	e.object(reflect.ValueOf(v).Elem(), "")
	out.WriteByte('\n')
	if e.err != nil {
		return fmt.Errorf("encoding the report: %w", e.err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// encoder writes JSON in pieces. Errors of out come out as it is flushed.
type encoder struct {
	out *bufio.Writer
	err error // of the encoding
}

const jsonIndent = "  "

// object writes a struct without embedded ones, field by field. Of lists alone it leaves out those that
// are empty and may be.
func (e *encoder) object(v reflect.Value, indent string) {
	e.out.WriteString("{\n")
	inner, first := indent+jsonIndent, true
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if options == "omitempty" && v.Field(i).Kind() == reflect.Slice && v.Field(i).Len() == 0 {
			continue
		}
		if !first {
			e.separate(true)
		}
		first = false
		e.out.WriteString(inner + `"` + name + `": `)
		e.field(v.Field(i), inner)
	}
	e.separate(false)
	e.out.WriteString(indent + "}")
}

// field writes a list of structs element by element, what points to a struct field by
// field, and anything else as a whole.
func (e *encoder) field(v reflect.Value, indent string) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.Struct:
		e.object(v.Elem(), indent)
	case v.Kind() == reflect.Slice && v.Len() > 0 && v.Type().Elem().Kind() == reflect.Struct:
		e.out.WriteString("[\n")
		inner := indent + jsonIndent
		for i := range v.Len() {
			e.out.WriteString(inner)
			e.value(v.Index(i), inner)
			e.separate(i+1 < v.Len())
		}
		e.out.WriteString(indent + "]")
	default:
		e.value(v, indent)
	}
}

func (e *encoder) separate(more bool) {
	if more {
		e.out.WriteByte(',')
	}
	e.out.WriteByte('\n')
}

// value writes anything as encoding/json does.
func (e *encoder) value(v reflect.Value, indent string) {
	var b bytes.Buffer
	plain := json.NewEncoder(&b)
	plain.SetEscapeHTML(false)
	plain.SetIndent(indent, jsonIndent)
	if err := plain.Encode(v.Interface()); err != nil {
		e.err = err
		return
	}
	e.out.Write(joinNumbers(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
}

// joinNumbers puts each list of numbers in indented JSON on one line: a series of 600
// values is one line instead of 600. It works in place.
func joinNumbers(data []byte) []byte {
	out := data[:0]
	inList := false
	for len(data) > 0 {
		line, rest, more := bytes.Cut(data, []byte("\n"))
		data = rest
		bare := bytes.TrimLeft(line, " ")
		switch {
		case inList && isNumber(bare):
			out = append(out, bytes.TrimSuffix(bare, []byte(","))...)
			if bare[len(bare)-1] == ',' {
				out = append(out, ", "...)
			}
			continue
		case inList:
			line = bare // the bracket that ends it
		}
		next := bytes.TrimLeft(data[:min(len(data), 64)], " ")
		inList = bytes.HasSuffix(line, []byte("[")) && isNumber(next)
		out = append(out, line...)
		if more && !inList {
			out = append(out, '\n')
		}
	}
	return out
}

// isNumber reports whether JSON begins with a number.
func isNumber(b []byte) bool {
	return len(b) > 0 && (b[0] == '-' || '0' <= b[0] && b[0] <= '9')
}
