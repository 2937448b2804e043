package jetstream

import (
	"errors"
	"testing"

	"bulkhead/internal/testing/engine"
)

// Who comes back takes nothing from who has come since. One that died as it joined, and so does not know its
// last number, is not somebody else.
func TestWhoComesBack(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1})
	run := newRunID()
	comes := func(instance string, last uint32) (uint32, error) {
		cfg := configOf(c, run)
		cfg.Instance, cfg.Last = instance, last
		r, err := Join(t.Context(), cfg)
		if err != nil {
			return 0, err
		}
		return r.Supervisor(), r.Close()
	}
	for _, one := range []struct {
		instance   string
		last, want uint32 // want is 0 for ErrSucceeded
	}{
		{"a", 0, 1}, {"a", 1, 2},
		{"a", 1, 3}, // that it was number 2 is not known to it
		{"", 2, 0}, {"", 3, 4}, {"", 3, 0},
		{"b", 0, 5}, {"a", 3, 0}, {"a", 4, 0}, {"b", 5, 6}, {"b", 5, 7},
	} {
		n, err := comes(one.instance, one.last)
		if n != one.want || (err != nil) != (one.want == 0) || err != nil && !errors.Is(err, ErrSucceeded) {
			t.Errorf("%q after number %d has number %d: %v; want %d", one.instance, one.last, n, err, one.want)
		}
	}
}
