package handler

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// anyLength calls visit for every text, bytes and list that a message of this kind can hold,
// at any depth, with the fields that lead there.
func anyLength(of protoreflect.MessageDescriptor, trail []protoreflect.FieldDescriptor,
	visit func(trail []protoreflect.FieldDescriptor)) {
	fields := of.Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		here := append(trail[:len(trail):len(trail)], f)
		if f.IsList() || f.IsMap() || f.Kind() == protoreflect.StringKind || f.Kind() == protoreflect.BytesKind {
			visit(here)
		}
		if f.Kind() == protoreflect.MessageKind {
			anyLength(f.Message(), here, visit)
		}
	}
}

// fill gives m, at the end of the trail, a value of n bytes or entries.
func fill(m protoreflect.Message, trail []protoreflect.FieldDescriptor, n int) {
	f := trail[0]
	if len(trail) > 1 {
		switch {
		case f.IsMap(): // of texts
			long := strings.Repeat("x", n)
			if trail[1].Name() == "key" {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString(long).MapKey(), protoreflect.ValueOfString(""))
			} else {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString("k").MapKey(), protoreflect.ValueOfString(long))
			}
		case f.IsList():
			fill(m.Mutable(f).List().AppendMutable().Message(), trail[1:], n)
		default:
			fill(m.Mutable(f).Message(), trail[1:], n)
		}
		return
	}
	switch {
	case f.IsMap():
		for i := range n {
			m.Mutable(f).Map().Set(protoreflect.ValueOfString(strconv.Itoa(i)).MapKey(), protoreflect.ValueOfString(""))
		}
	case f.IsList():
		for range n {
			l := m.Mutable(f).List()
			l.Append(l.NewElement())
		}
	case f.Kind() == protoreflect.BytesKind:
		m.Set(f, protoreflect.ValueOfBytes([]byte("0123456789abcdef" + strings.Repeat("x", max(0, n-16)))[:n]))
	default:
		m.Set(f, protoreflect.ValueOfString(strings.Repeat("ü", (n+1)/2)[:n/2*2]+strings.Repeat("x", n%2)))
	}
}

// length returns the length of what fill filled.
func length(m protoreflect.Message, trail []protoreflect.FieldDescriptor) int {
	f := trail[0]
	switch {
	case len(trail) > 1 && f.IsMap():
		longest := 0
		m.Get(f).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			longest = max(longest, len(k.String()), len(v.String()))
			return true
		})
		return longest
	case len(trail) > 1 && f.IsList():
		return length(m.Get(f).List().Get(0).Message(), trail[1:])
	case len(trail) > 1:
		return length(m.Get(f).Message(), trail[1:])
	case f.IsMap():
		return m.Get(f).Map().Len()
	case f.IsList():
		return m.Get(f).List().Len()
	case f.Kind() == protoreflect.BytesKind:
		return len(m.Get(f).Bytes())
	default:
		return len(m.Get(f).String())
	}
}

// judged returns a message that a client sends, after the handler has looked at it, what it says was
// cut, and what is wrong with it.
func judged(m proto.Message) (shortened []string, v *violation) {
	switch m := m.(type) {
	case *bulkheadv1.Hello:
		shortenHello(m)
		return m.GetShortened(), checkHello(m)
	case *bulkheadv1.Message:
		b := &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{m}}
		shortenBatch(b)
		_, v = checkBatch(b, &bulkheadv1.Limits{MaxBatchMessages: 1}, 1)
		return m.GetShortened(), v
	}
	return nil, nil
}

// Every text, bytes and list that a client can send is kept to its bound: it is refused and
// the field is named, or cut and the field is named. At its bound it is taken as it is. The
// bounds are those of protocol.Limits, and each stands in the .proto at its field.
func TestEveryLengthIsBounded(t *testing.T) {
	limits := make(map[protoreflect.FullName]protocol.Limit)
	for _, l := range protocol.Limits() {
		limits[l.Field] = l
	}
	comments := protoComments(t)
	used := make(map[protoreflect.FullName]bool)
	for _, fresh := range []func() proto.Message{
		func() proto.Message { return rawclient.Hello("alpha") },
		func() proto.Message {
			m := rawclient.Message(1)
			m.Fact = nil
			return m
		},
	} {
		of := fresh().ProtoReflect().Descriptor()
		anyLength(of, nil, func(trail []protoreflect.FieldDescriptor) {
			f := trail[len(trail)-1]
			var names []string
			for _, f := range trail {
				names = append(names, string(f.Name()))
			}
			l, known := limits[f.FullName()]
			used[f.FullName()] = true
			t.Run(string(of.Name())+"."+strings.Join(names, "."), func(t *testing.T) {
				if !known {
					t.Fatalf("%s has no bound; give it one in protocol.Limits", f.FullName())
				}
				if l.Beyond == protocol.Framed {
					return
				}
				at := f.FullName()
				if f.Parent().(protoreflect.MessageDescriptor).IsMapEntry() {
					at = trail[len(trail)-2].FullName()
				}
				if number := regexp.MustCompile(`\b` + strconv.Itoa(l.Most) + `\b`); !number.MatchString(comments[at]) {
					t.Errorf("the comment of %s does not say %d: %q", at, l.Most, comments[at])
				}
				path := strings.Join(names, ".")
				if f.Parent().(protoreflect.MessageDescriptor).IsMapEntry() {
					path = strings.Join(names[:len(names)-1], ".")
				}

				whole := fresh()
				fill(whole.ProtoReflect(), trail, l.Most)
				if names[0] == "continues" { // which must be whole
					whole.(*bulkheadv1.Hello).Continues.ClientId = []byte("0123456789abcdef")
				}
				needAgent(whole, trail)
				needFact(whole)
				if cut, v := judged(whole); v != nil || len(cut) != 0 && names[0] != "shortened" {
					t.Errorf("at its bound %q is cut, with %v", cut, v)
				}
				if n := length(whole.ProtoReflect(), trail); n != l.Most {
					t.Errorf("%d are left of %d", n, l.Most)
				}

				long := fresh()
				fill(long.ProtoReflect(), trail, l.Most+1)
				needAgent(long, trail)
				needFact(long)
				cut, v := judged(long)
				if l.Beyond == protocol.Refused {
					if v == nil || v.about["field"] != "hello."+path || v.reason != fieldInvalid {
						t.Errorf("one more is answered with %+v; want that it names hello.%s", v, path)
					}
					return
				}
				if n := length(long.ProtoReflect(), trail); v != nil || n > l.Most {
					t.Errorf("one more is answered with %v and leaves %d of %d", v, n, l.Most)
				}
				if names[0] != "shortened" && (len(cut) != 1 || cut[0] != path) {
					t.Errorf("shortened is %q; want %q", cut, path)
				}
			})
		})
	}
	for field := range limits {
		if !used[field] && !strings.HasSuffix(string(field), "Batch.messages") {
			t.Errorf("protocol.Limits has %s, which no client can send", field)
		}
	}
}

// needAgent makes a Hello with an Agent, at the end of the trail, one of an agent.
func needAgent(m proto.Message, trail []protoreflect.FieldDescriptor) {
	if h, ok := m.(*bulkheadv1.Hello); ok && trail[0].Name() == "agent" {
		h.Name = ""
		if h.Agent.Name == "" {
			h.Agent.Name = "alpha"
		}
	}
}

// needFact gives a message that has none a fact.
func needFact(m proto.Message) {
	if m, ok := m.(*bulkheadv1.Message); ok && m.GetFact() == nil {
		m.Fact = &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}}
	}
}

var protoLine = regexp.MustCompile(`^(?:repeated |optional )?[\w.<>, ]+ (\w+) = \d+`)

// protoComments returns the comments of all fields, by the fields' full names.
func protoComments(t *testing.T) map[protoreflect.FullName]string {
	t.Helper()
	out := make(map[protoreflect.FullName]string)
	for _, name := range []string{"agent.proto", "collector.proto", "message.proto"} {
		text, err := os.ReadFile(filepath.Join("..", "proto", "bulkhead", "v1", name))
		must(t, err)
		message, comment := "", ""
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "//"):
				comment += strings.TrimPrefix(line, "//")
				continue
			case strings.HasPrefix(line, "message "):
				message = strings.Fields(line)[1]
			case protoLine.MatchString(line):
				out[protoreflect.FullName("bulkhead.v1."+message+"."+protoLine.FindStringSubmatch(line)[1])] = comment
			}
			comment = ""
		}
	}
	return out
}

// What is cut stays text, says where it ends, and is cut the same way each time.
func TestACutText(t *testing.T) {
	m := rawclient.Message(1)
	m.GetProgress().LastError = strings.Repeat("ü", protocol.MaxTextBytes)
	again := proto.CloneOf(m)
	shortenMessage(m)
	got := m.GetProgress().GetLastError()
	if !utf8.ValidString(got) || !strings.HasSuffix(got, "ü…") || len(got) < protocol.MaxTextBytes-4 {
		t.Errorf("%d bytes are left, which end in %q", len(got), got[len(got)-6:])
	}
	if shortenMessage(again); !proto.Equal(m, again) {
		t.Error("the same message is cut in another way")
	}
	if shortenMessage(again); !proto.Equal(m, again) {
		t.Error("what was cut is cut again")
	}
}

// Of too many labels the first stay, and those that are the same when they are cut count once.
func TestCutLabels(t *testing.T) {
	long := strings.Repeat("k", protocol.MaxLabelBytes)
	h := rawclient.Hello("alpha")
	h.Labels = labels(protocol.MaxLabels + 5)
	h.Labels[long+"1"], h.Labels[long+"2"] = "first", "second"
	shortenHello(h)
	if _, there := h.Labels["key0"]; !there || len(h.Labels) != protocol.MaxLabels {
		t.Errorf("%d labels are left: %v", len(h.Labels), h.Labels)
	}
	h.Labels = map[string]string{long + "1": "first", long + "2": "second"}
	shortenHello(h)
	if len(h.Labels) != 1 {
		t.Errorf("the labels are %v; want one", h.Labels)
	}
	for _, v := range h.Labels {
		if v != "first" {
			t.Errorf("the label is %q; want the first", v)
		}
	}
}
