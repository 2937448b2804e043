package supervisor

import (
	"strings"
	"testing"
	"unicode"

	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Every text of a status is safe to print, whichever a client may choose one day, but for
// the supervisor's own paths and addresses.
func TestStatusIsClean(t *testing.T) {
	const hostile = "a\x1b]0;owned\x07\u202eb\nc"
	var fill func(m protoreflect.Message, depth int)
	fill = func(m protoreflect.Message, depth int) {
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			switch {
			case f.Kind() == protoreflect.StringKind && f.IsList():
				m.Mutable(f).List().Append(protoreflect.ValueOfString(hostile))
			case f.Kind() == protoreflect.StringKind:
				m.Set(f, protoreflect.ValueOfString(hostile))
			case f.Kind() == protoreflect.MessageKind && f.IsList() && depth < 4:
				fill(m.Mutable(f).List().AppendMutable().Message(), depth+1)
			case f.Kind() == protoreflect.MessageKind && !f.IsList() && depth < 4:
				fill(m.Mutable(f).Message(), depth+1)
			}
		}
	}
	s := new(bulkheadv1.StatusResponse)
	fill(s.ProtoReflect(), 0)
	clean(s.ProtoReflect())
	if s.GetRunDir() != hostile || s.GetListen() != hostile {
		t.Error("the supervisor's own path or address was changed")
	}
	s.RunDir, s.Listen = "", ""
	if len(s.GetSessions()) != 1 || len(s.GetAbsentNames()) != 1 || len(s.GetReserves()) != 1 {
		t.Fatal("the status is not filled")
	}
	if got := s.GetSessions()[0].GetCause(); got != `a\x1b]0;owned\x07\u202eb\nc` {
		t.Errorf("cause %q", got)
	}
	err := protorange.Range(s.ProtoReflect(), func(p protopath.Values) error {
		if text, ok := p.Index(-1).Value.Interface().(string); ok &&
			strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s is %q", p.Path, text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
