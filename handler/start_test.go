package handler

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// builtAtStart are the descriptors that are there when a program begins that imports this package.
var builtAtStart = []protoreflect.FileDescriptor{bulkheadv1.File_bulkhead_v1_collector_proto,
	bulkheadv1.File_bulkhead_v1_handler_proto, bulkheadv1.File_bulkhead_v1_message_proto}

// A handler does not prepare protobuf's reflection before anybody asks for it.
func TestNoDescriptorIsBuiltAtStart(t *testing.T) {
	for _, file := range builtAtStart {
		if file != nil {
			t.Errorf("%s is built before anybody asks for it", file.Path())
		}
	}
	of := (*bulkheadv1.Hello)(nil).ProtoReflect().Descriptor()
	if of.ParentFile() != bulkheadv1.File_bulkhead_v1_collector_proto {
		t.Error("the file of Hello is not built when asked for")
	}
}
