package handler

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// undecodable returns what is wrong with a frame that does not decode as v, and in which of its
// fields.
func undecodable(frame mem.BufferSlice, v any, err error) *violation {
	m, ok := v.(proto.Message)
	if !ok {
		return broken(encodingInvalid, "a frame cannot be decoded: %v", err)
	}
	data := frame.MaterializeToBuffer(mem.DefaultBufferPool())
	defer data.Free()
	f := findFault(data.ReadOnlyData(), m.ProtoReflect().Descriptor(), "")
	if f == nil {
		return broken(encodingInvalid, "a frame cannot be decoded: %v", err)
	}
	if f.text == "" {
		out := broken(fieldInvalid, "%s is not UTF-8: %.100q%s", f.field, f.value, f.hint)
		out.about = map[string]string{reason.Field: f.field}
		return out
	}
	out := broken(encodingInvalid, "a frame cannot be decoded: %s", f.text)
	if f.field != "" {
		out.text = fmt.Sprintf("a frame cannot be decoded: in %s, %s", f.field, f.text)
		out.about = map[string]string{reason.Field: f.field}
	}
	return out
}

// fault is what is wrong with an encoded message.
type fault struct {
	field string // its path, such as batch.messages[3].rollover.path; "" is the message itself
	value []byte // of a string that is not UTF-8
	hint  string // what to do
	text  string // what else it is; "" for a string
}

// findFault finds what keeps an encoded message from being decoded: the first string that
// is not UTF-8 or the first bytes that are no field. at is the path of the message. It
// goes as deep as the messages are declared, which is not far.
func findFault(data []byte, of protoreflect.MessageDescriptor, at string) *fault {
	seen := make(map[protowire.Number]int)
	for len(data) > 0 {
		n, kind, size := protowire.ConsumeTag(data)
		if size < 0 {
			return &fault{field: at, text: fmt.Sprintf("%d bytes before the end begin no field", len(data))}
		}
		data = data[size:]
		field := of.Fields().ByNumber(n)
		path := fieldPath(at, field, n, seen)
		size = protowire.ConsumeFieldValue(n, kind, data)
		if size < 0 {
			return &fault{field: path, text: "the value ends before its length, or is none"}
		}
		value := data[:size]
		data = data[size:]
		if field == nil || kind != protowire.BytesType {
			continue // what is not known is kept as it is
		}
		value, _ = protowire.ConsumeBytes(value)
		switch field.Kind() {
		case protoreflect.MessageKind:
			if f := findFault(value, field.Message(), path); f != nil {
				return f
			}
		case protoreflect.StringKind:
			if !utf8.Valid(value) {
				return &fault{field: path, value: value, hint: hintFor(of)}
			}
		}
	}
	return nil
}

// fieldPath returns the path of the next field with the number n, in a message at.
func fieldPath(at string, field protoreflect.FieldDescriptor, n protowire.Number,
	seen map[protowire.Number]int) string {
	if at != "" {
		at += "."
	}
	if field == nil {
		return fmt.Sprintf("%s%d", at, n)
	}
	at += string(field.Name())
	if field.Cardinality() == protoreflect.Repeated { // of a map too
		at = fmt.Sprintf("%s[%d]", at, seen[n])
		seen[n]++
	}
	return at
}

// hintFor returns a hint where bytes that are no text belong, "" if nowhere.
func hintFor(of protoreflect.MessageDescriptor) string {
	if of.Fields().ByName("path_bytes") != nil {
		return "; a path that is not UTF-8 goes into path_bytes"
	}
	return ""
}

// compile-time: the messages that hold paths have a place for those that are no text.
var _ = []interface{ GetPathBytes() []byte }{(*bulkheadv1.Rollover)(nil), (*bulkheadv1.ConsumerSpec)(nil),
	(*bulkheadv1.Corruption)(nil), (*bulkheadv1.FileSystem)(nil)}
