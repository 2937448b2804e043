package recovery

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// Checked is what was found of a checkpoint.
type Checked struct {
	// File is its name in the journal's folder.
	File string
	// JournalBytes is how much of the journal it covers; 0 if that cannot be read.
	JournalBytes int64
	// Unused says why no supervisor would use it; nil if one would.
	Unused error
	// Wrong is what in it is not as the journal has it. A supervisor would continue from that.
	Wrong []string
	// Unchecked says why it could not be compared with the journal; nil if it was.
	Unchecked error
}

// maxWrong is how many differences are told of one checkpoint.
const maxWrong = 10

// Check compares the checkpoints of the journal in dir with the records, the newest first.
func Check(dir string) []Checked {
	var all []Checked
	for _, name := range files {
		past, at, err := read(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		c := Checked{File: name, JournalBytes: at.Bytes, Unused: err}
		if err == nil {
			c.Unused = past.belongsTo(dir)
		}
		if c.Unused == nil {
			c.compare(dir, past, at)
		}
		all = append(all, c)
	}
	return all
}

// compare folds the journal up to a mark anew and compares that with what past says.
func (c *Checked) compare(dir string, past *Past, at journal.Mark) {
	there := errors.New("the mark was found")
	anew := seeded(past.seed)
	_, err := journal.ReplayFrom(dir, journal.Mark{}, func(rec *bulkheadv1.Record, behind journal.Mark) error {
		if err := anew.Add(rec); err != nil {
			return err
		}
		if behind.Bytes < at.Bytes {
			return nil
		}
		if behind != at {
			c.Unused = journal.ErrForeignMark
		}
		return there
	})
	switch {
	case err == nil: // it was longer
		c.Unused = journal.ErrForeignMark
	case !errors.Is(err, there):
		c.Unchecked = err
	case c.Unused == nil:
		c.Wrong = differences(past, anew)
	}
}

// differences names what two pasts do not agree on.
func differences(a, b *Past) []string {
	wrong := fields("", a.form(journal.Mark{}), b.form(journal.Mark{}))
	numbers := make(map[uint32]bool)
	for _, s := range append(a.InOrder(), b.InOrder()...) {
		if numbers[s.Number] {
			continue
		}
		numbers[s.Number] = true
		in, anew := a.Sessions[s.Number], b.Sessions[s.Number]
		switch {
		case in == nil:
			wrong = append(wrong, fmt.Sprintf("session %d is missing", s.Number))
		case anew == nil:
			wrong = append(wrong, fmt.Sprintf("session %d is in no record", s.Number))
		default:
			wrong = append(wrong, fields(fmt.Sprintf("session %d: ", s.Number), in.form(), anew.form())...)
		}
	}
	if n := len(wrong); n > maxWrong {
		wrong = append(wrong[:maxWrong], fmt.Sprintf("and %d more", n-maxWrong))
	}
	return wrong
}

// fields names the fields in which a and b differ, which are of one type.
func fields(lead string, a, b proto.Message) []string {
	var names []string
	for i := range a.ProtoReflect().Descriptor().Fields().Len() {
		f := a.ProtoReflect().Descriptor().Fields().Get(i)
		if !same(f, a.ProtoReflect(), b.ProtoReflect()) {
			names = append(names, lead+string(f.Name())+" differs")
		}
	}
	return slices.Clip(names)
}

// same reports whether a field has the same value in a and b.
func same(f protoreflect.FieldDescriptor, a, b protoreflect.Message) bool {
	return a.Has(f) == b.Has(f) && a.Get(f).Equal(b.Get(f))
}
