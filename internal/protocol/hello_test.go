package protocol_test

import (
	"fmt"
	"strings"
	"testing"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestCheck(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, tt := range map[string]struct {
		change func(*bulkheadv1.Hello)
		want   string // "" if nothing is wrong
	}{
		"good":          {func(*bulkheadv1.Hello) {}, ""},
		"longest name":  {func(h *bulkheadv1.Hello) { h.Name = long(128) }, ""},
		"short id":      {func(h *bulkheadv1.Hello) { h.ClientId = []byte{1} }, "client_id has 1 bytes"},
		"no name":       {func(h *bulkheadv1.Hello) { h.Name = "" }, "name has 0 bytes"},
		"long name":     {func(h *bulkheadv1.Hello) { h.Name = long(129) }, "name has 129 bytes"},
		"name of lines": {func(h *bulkheadv1.Hello) { h.Name = "a\nb" }, "cannot be printed"},
		"name of words": {func(h *bulkheadv1.Hello) { h.Name = "rack 1" }, ""},
		"long host":     {func(h *bulkheadv1.Hello) { h.Host = long(256) }, "host has 256 bytes"},
		"long token":    {func(h *bulkheadv1.Hello) { h.Token = long(1025) }, "token has 1025 bytes"},
		"long end":      {func(h *bulkheadv1.Hello) { h.LastEnd = long(1025) }, "last_end has 1025 bytes"},
		"long version":  {func(h *bulkheadv1.Hello) { h.ClientVersion = long(129) }, "client_version has 129 bytes"},
		"long label":    {func(h *bulkheadv1.Hello) { h.Labels = map[string]string{"k": long(129)} }, "label \"k\""},
		"long path": {func(h *bulkheadv1.Hello) { h.Workload.Consumers[0].Path = long(4097) },
			"consumer 7 has 4097 bytes"},
		"many chunk sizes": {func(h *bulkheadv1.Hello) {
			h.Workload.Consumers[0].ChunkSizes = make([]*bulkheadv1.WeightedSize, 65)
		}, "consumer 7 has 65 chunk sizes"},
		"many consumers": {func(h *bulkheadv1.Hello) {
			h.Workload.Consumers = make([]*bulkheadv1.ConsumerSpec,
				1025)
		}, "1025 consumers"},
		"as many labels":     {func(h *bulkheadv1.Hello) { h.Labels = labels(32) }, ""},
		"one label too many": {func(h *bulkheadv1.Hello) { h.Labels = labels(33) }, "33 labels"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &bulkheadv1.Hello{
				ClientId: []byte("0123456789abcdef"), Name: "client",
				Workload: &bulkheadv1.Workload{Consumers: []*bulkheadv1.ConsumerSpec{{Index: 7, Path: "/mnt"}}},
			}
			tt.change(h)
			var text string
			if wrong := protocol.CheckHello(h); wrong != nil {
				text = wrong.Text
				if !strings.HasPrefix(wrong.Field, "hello.") {
					t.Errorf("the field is %q; want its path", wrong.Field)
				}
			}
			if (text == "") != (tt.want == "") || !strings.Contains(text, tt.want) {
				t.Errorf("Check = %q; want %q", text, tt.want)
			}
		})
	}
}

func labels(n int) map[string]string {
	m := make(map[string]string)
	for i := range n {
		m[fmt.Sprint(i)] = ""
	}
	return m
}

// A blank at an end of a name is refused of a client that is new; one that was let in before
// keeps its name.
func TestNewName(t *testing.T) {
	for name, bad := range map[string]bool{"a": false, "a b": false, " ": true, "a ": true, " a": true} {
		if fault := protocol.CheckNewName(name); (fault != nil) != bad {
			t.Errorf("%q: %v", name, fault)
		}
		if fault := protocol.CheckHello(&bulkheadv1.Hello{ClientId: make([]byte, protocol.ClientIDBytes),
			Name: name}); fault != nil {
			t.Errorf("%q has not the form of a name: %v", name, fault)
		}
	}
}
