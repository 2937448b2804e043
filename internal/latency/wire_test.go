package latency

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestWireRoundTrip(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 5))
		h := new(Histogram)
		for _, d := range samples(r, r.IntN(500)) {
			h.Add(d, uint64(1+r.IntN(9)))
		}
		back, err := FromProto(h.Proto())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(h.Proto(), back.Proto(), protocmp.Transform()); diff != "" {
			t.Errorf("seed %d (-sent +read):\n%s", seed, diff)
		}
	}
}

func TestFromProtoRebuckets(t *testing.T) {
	// 5000 and 5001 share a bucket of three digits (4-wide from 5000).
	h, err := FromProto(&bulkheadv1.Histogram{
		ValueDelta: []uint64{5000, 1}, Count: []uint64{1, 2}, Min: 5000, Max: 5001, Sum: 15002,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := new(Histogram)
	want.Add(5000, 1)
	want.Add(5001, 2)
	if diff := cmp.Diff(want.Proto(), h.Proto(), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFromProtoRejects(t *testing.T) {
	tests := []struct {
		name string
		p    *bulkheadv1.Histogram
		want string // "" for accepted
	}{
		{"nil", nil, ""},
		{"empty", &bulkheadv1.Histogram{}, ""},
		{"one value", &bulkheadv1.Histogram{ValueDelta: []uint64{7}, Count: []uint64{2}, Min: 7, Max: 7, Sum: 14}, ""},
		{"zero as a value", &bulkheadv1.Histogram{ValueDelta: []uint64{0}, Count: []uint64{2}}, ""},
		{"unequal lengths", &bulkheadv1.Histogram{ValueDelta: []uint64{7}}, "1 values but 0 counts"},
		{"too many buckets", &bulkheadv1.Histogram{
			ValueDelta: make([]uint64, MaxWireBuckets+1), Count: make([]uint64, MaxWireBuckets+1)}, "65537 buckets"},
		{"not rising", &bulkheadv1.Histogram{ValueDelta: []uint64{7, 0}, Count: []uint64{1, 1}},
			"value 1 does not rise"},
		{"value wraps", &bulkheadv1.Histogram{ValueDelta: []uint64{7, math.MaxUint64}, Count: []uint64{1, 1}},
			"value 1 exceeds"},
		{"value too large", &bulkheadv1.Histogram{ValueDelta: []uint64{1 << 63}, Count: []uint64{1}},
			"value 0 exceeds"},
		{"count 0", &bulkheadv1.Histogram{ValueDelta: []uint64{7}, Count: []uint64{0}}, "count 0 is 0"},
		{"counts overflow", &bulkheadv1.Histogram{ValueDelta: []uint64{7, 1}, Count: []uint64{1, math.MaxUint64}},
			"counts overflow"},
		{"extremes of nothing", &bulkheadv1.Histogram{Max: 1}, "without values"},
		{"minimum below", &bulkheadv1.Histogram{ValueDelta: []uint64{7}, Count: []uint64{1}, Min: 6, Max: 7, Sum: 7},
			"minimum 6"},
		{"minimum above maximum", &bulkheadv1.Histogram{ValueDelta: []uint64{7}, Count: []uint64{1}, Min: 9, Max: 8,
			Sum: 8}, "minimum 9"},
		{"maximum below", &bulkheadv1.Histogram{ValueDelta: []uint64{7, 2}, Count: []uint64{1, 1}, Min: 7, Max: 8,
			Sum: 16}, "maximum 8"},
		{"maximum too large", &bulkheadv1.Histogram{ValueDelta: []uint64{7}, Count: []uint64{1}, Min: 7, Max: 1 << 63,
			Sum: 7}, "maximum"},
		{"sum below", &bulkheadv1.Histogram{ValueDelta: []uint64{7}, Count: []uint64{2}, Min: 7, Max: 7, Sum: 13},
			"sum 13"},
		{"sum above", &bulkheadv1.Histogram{ValueDelta: []uint64{7}, Count: []uint64{2}, Min: 7, Max: 7, Sum: 15},
			"sum 15"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := FromProto(test.p)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("rejected: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want one saying %q", err, test.want)
			}
		})
	}
}

// FuzzFromProto reads any bytes as a histogram. Its corpus is in testdata/fuzz.
func FuzzFromProto(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		p := new(bulkheadv1.Histogram)
		if proto.Unmarshal(data, p) != nil {
			return
		}
		h, err := FromProto(p)
		if err != nil {
			return
		}
		h.Merge(h)
		last := h.Min()
		for _, q := range []float64{0, 0.5, 0.99, 1} {
			v := h.Quantile(q)
			if v < last || v > h.Max() {
				t.Errorf("Quantile(%v) = %d, outside %d … %d", q, v, last, h.Max())
			}
			last = v
		}
	})
}
