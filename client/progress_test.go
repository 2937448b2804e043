package client

import (
	"testing"
	"time"
)

func TestRateMeter(t *testing.T) {
	var m rateMeter
	if r := m.add(0, 0); r != 0 {
		t.Errorf("the first sample has a rate of %v", r)
	}
	if r := m.add(0, 100); r != 0 {
		t.Errorf("in no time the rate is %v", r)
	}
	m = rateMeter{}
	var r float64
	for i := range 100 {
		r = m.add(time.Duration(i)*showEvery, uint64(i)*1000)
	}
	if r != 2000 {
		t.Errorf("1000 each half second are %v a second", r)
	}
	for i := range rateOver {
		r = m.add(time.Duration(100+i)*showEvery, 99_000)
	}
	if r != 0 {
		t.Errorf("after %d samples without progress the rate is %v", rateOver, r)
	}
	if len(m.samples) > rateOver+1 {
		t.Errorf("%d samples are kept", len(m.samples))
	}
}
