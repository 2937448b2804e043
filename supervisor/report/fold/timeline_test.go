package fold

import (
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/story"
)

// Folding each client's records alone and merging what comes out gives what folding all of
// them gives.
func TestShardsMergeToTheWhole(t *testing.T) {
	records, _ := story.Long(t, 40*time.Minute)
	whole := NewFolder()
	for _, r := range records {
		if err := whole.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	run, sessions := story.BySession(records)
	all := timeline{
		start: whole.time.start, first: whole.time.first, last: whole.time.last,
		step: whole.time.step, shift: whole.time.shift, base: whole.time.base,
	}
	for n := uint32(1); n <= 3; n++ {
		shard := NewFolder()
		for _, r := range slices.Concat(run[:1], sessions[n], run[1:]) {
			if err := shard.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		got := shard.Report().Series.Clients[0]
		if diff := gocmp.Diff(whole.Report().Series.Clients[n-1], got); diff != "" {
			t.Errorf("client %d alone (-whole +shard):\n%s", n, diff)
		}
		for i, cell := range shard.time.cells {
			c := at(&all.cells, i+shard.time.base-whole.time.base)
			*c = c.merge(cell)
		}
	}
	want, got := whole.Report().Series.Total, all.total(whole.time.lines)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-whole +merged shards):\n%s", diff)
	}
}

// A hundred clients with many processes keep to their cells, in intervals of a power of
// two times the base's.
func TestClientsIntervalsAreBounded(t *testing.T) {
	s := story.New(t, 100)
	var actors []*story.Actor
	for n := uint32(1); n <= 100; n++ {
		actors = append(actors, s.Arrive("a", n, uint64(n), int32(n), 0))
	}
	seconds := []int{1, 100, 550, 900}
	for _, second := range seconds {
		for _, a := range actors {
			a.At(time.Duration(second) * time.Second)
			for c := range uint32(30) {
				a.Say(a.Sample(c, second))
			}
		}
	}
	r := folded(t, s.Records)
	got := r.Series
	factor := got.ClientIntervalNano / got.IntervalNano
	if 100*31*got.ClientIntervals > maxCells || got.ClientIntervals*2*3100 < maxCells ||
		factor*got.IntervalNano != got.ClientIntervalNano || factor&(factor-1) != 0 {
		t.Errorf("%d intervals of %v for clients, %d of %v for all", got.ClientIntervals,
			time.Duration(got.ClientIntervalNano), got.Intervals, time.Duration(got.IntervalNano))
	}
	for _, c := range got.Clients {
		if len(c.Bytes) != got.ClientIntervals || len(c.Processes) != 30 ||
			len(c.Processes[0].CPU) != got.ClientIntervals || len(c.Processes[0].Beats) != got.ClientIntervals {
			t.Fatalf("client %d: lists of other lengths than %d", c.Session, got.ClientIntervals)
		}
		for i, resident := range c.Processes[29].ResidentBytes {
			sampled := false
			for _, second := range seconds {
				sampled = sampled || (int64(second)*1e9-1)/got.ClientIntervalNano == int64(i)
			}
			if sampled != (resident > 0) {
				t.Fatalf("client %d, interval %d of %v: %d bytes resident, sampled at %v", c.Session, i,
					time.Duration(got.ClientIntervalNano), resident, seconds)
			}
		}
	}
}
