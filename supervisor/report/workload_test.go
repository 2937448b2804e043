package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestEqualShare(t *testing.T) {
	for _, c := range []struct {
		wanted      []int
		limit, want int
	}{
		{nil, 100, 100},
		{[]int{10, 50}, 100, 100},
		{[]int{50, 60}, 100, 50},
		{[]int{10, 500, 10, 500}, 100, 40},
		{[]int{500, 500, 500}, 100, 33},
	} {
		if got := EqualShare(c.wanted, c.limit); got != c.want {
			t.Errorf("EqualShare(%v, %d) = %d, want %d", c.wanted, c.limit, got, c.want)
		}
	}
}

// What is left out of what a client declared is counted, what stays takes no more than was said, and
// cutting twice is cutting once.
func TestCutDeclared(t *testing.T) {
	declared := func() *Client {
		c := &Client{Labels: make(map[string]string)}
		for i := range 32 {
			c.Labels[fmt.Sprintf("%02d", i)] = strings.Repeat("<", 100)
		}
		for i := range 100 {
			c.Workload.Consumers = append(c.Workload.Consumers,
				Consumer{Index: uint32(i), Path: strings.Repeat("\x01", 500)})
		}
		return c
	}
	whole := declared()
	whole.CutDeclared(whole.DeclaredBytes())
	if len(whole.Labels) != 32 || len(whole.Workload.Consumers) != 100 || whole.LabelsLeftOut+
		whole.Workload.ConsumersLeftOut != 0 {
		t.Error("something is left out although there is room")
	}
	for _, most := range []int{0, 1000, 20_000, 100_000, 200_000} {
		c, twice := declared(), declared()
		c.CutDeclared(most)
		twice.CutDeclared(2 * most)
		twice.CutDeclared(most)
		if n := len(c.Labels) + int(c.LabelsLeftOut); n != 32 || c.Workload.Declared() != 100 {
			t.Errorf("%d bytes: %d labels and %d consumers are there or counted", most, n, c.Workload.Declared())
		}
		if len(twice.Labels) != len(c.Labels) || len(twice.Workload.Consumers) != len(c.Workload.Consumers) {
			t.Errorf("%d bytes: cut twice, %d labels and %d consumers stay; cut once, %d and %d", most,
				len(twice.Labels), len(twice.Workload.Consumers), len(c.Labels), len(c.Workload.Consumers))
		}
		labels, err := json.Marshal(c.Labels)
		if err != nil {
			t.Fatal(err)
		}
		consumers, err := json.Marshal(c.Workload.Consumers)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(labels) + len(consumers); n > most+8 {
			t.Errorf("%d bytes may stay; in JSON that is %d", most, n)
		}
	}
}
