package raw

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// largestHello returns the Hello with as much of everything that repeats as one may have.
func largestHello() *bulkheadv1.Hello {
	h := &bulkheadv1.Hello{ClientId: []byte("0123456789abcdef"), Name: "largest", Labels: map[string]string{},
		Workload: &bulkheadv1.Workload{}}
	for i := range protocol.MaxLabels {
		h.Labels[fmt.Sprint(i)] = "v"
	}
	for i := range protocol.MaxConsumers {
		c := &bulkheadv1.ConsumerSpec{Index: uint32(i), Path: "/mnt"}
		for range protocol.MaxChunkSizes {
			c.ChunkSizes = append(c.ChunkSizes, &bulkheadv1.WeightedSize{SizeBytes: 4096, Weight: 1})
		}
		h.Workload.Consumers = append(h.Workload.Consumers, c)
	}
	for i := range protocol.MaxStages {
		h.Workload.Stages = append(h.Workload.Stages, &bulkheadv1.Stage{Name: fmt.Sprint(i)})
	}
	return h
}

func encodedFrame(t *testing.T, h *bulkheadv1.Hello) []byte {
	t.Helper()
	data, err := proto.Marshal(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Hello{Hello: h}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode(frame []byte) (*bulkheadv1.HandlerFrame, *Wary, error) {
	w, f := NewWary(), new(bulkheadv1.HandlerFrame)
	err := w.Unmarshal(mem.BufferSlice{mem.SliceBuffer(frame)}, f)
	return f, w, err
}

// What a client may say is decoded as it is.
func TestTheLargestHelloIsDecoded(t *testing.T) {
	want := largestHello()
	if wrong := protocol.CheckHello(want); wrong != nil {
		t.Fatal(wrong)
	}
	f, w, err := decode(encodedFrame(t, want))
	if err != nil || w.Lie != nil {
		t.Fatal(err, w.Lie)
	}
	if !proto.Equal(f.GetHello(), want) {
		t.Error("it is decoded as something else")
	}
}

// A Hello that would unfold is refused before it does, however it is cut into parts.
func TestAHelloThatUnfoldsIsNotDecoded(t *testing.T) {
	within := func(n protowire.Number, b ...byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), b)
	}
	many := func(n int, b []byte) []byte { return []byte(strings.Repeat(string(b), n)) }
	const mega = 1 << 20
	for name, tt := range map[string]struct {
		frame []byte
		want  string
	}{
		"consumers":            {within(1, within(7, many(4*mega, within(6))...)...), "more than 1024 consumers"},
		"consumers, in Hellos": {many(mega, within(1, within(7, within(6)...)...)), "more than 1024 consumers"},
		"workloads":            {within(1, many(mega, within(7, within(6)...))...), "more than 1024 consumers"},
		"chunk sizes": {within(1, within(7, within(6, many(4*mega, within(7))...)...)...),
			"more than 64 chunk sizes"},
		"stages": {within(1, within(7, many(mega, within(40))...)...), "more than 64 stages"},
		"labels": {within(1, many(4*mega, within(5))...), "more than 32 labels"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, w, err := decode(tt.frame)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(w.Lie, ErrLied) {
				t.Errorf("%d bytes are decoded with %v, %v; want %q", len(tt.frame), err, w.Lie, tt.want)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > mega {
				t.Errorf("looking at %d bytes took %d bytes of memory", len(tt.frame), took)
			}
		})
	}
}
