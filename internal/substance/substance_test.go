package substance

import (
	"slices"
	"testing"
	"time"
)

// whole returns a consumer that lacks nothing.
func whole(index uint32) Consumer {
	return Consumer{Index: index, ChunkBytes: 4096, Bytes: 1 << 20, Chunks: 256, Files: 4, Partial: 1,
		Writing: 20 * time.Second, Samples: 19}
}

func TestJudge(t *testing.T) {
	changed := func(change func(*Consumer)) Consumer {
		c := whole(1)
		change(&c)
		return c
	}
	nothing := changed(func(c *Consumer) { c.Bytes, c.Chunks, c.Files, c.Partial = 0, 0, 0, 0 })
	unfinished := changed(func(c *Consumer) { c.Files, c.Partial = 3, 3 })
	late := changed(func(c *Consumer) { c.Bytes, c.Chunks, c.Files, c.Partial, c.Begin = 0, 0, 0, 0, 30*time.Second })
	for name, tt := range map[string]struct {
		end           End
		change        func(*Load)
		consumers     []Consumer
		missing, note string // none if empty
	}{
		"whole":          {consumers: []Consumer{whole(0), whole(1)}},
		"nothing by one": {consumers: []Consumer{whole(0), nothing}, missing: "consumer 1 wrote nothing"},
		"nothing by one, cut": {end: Cut, consumers: []Consumer{whole(0), nothing},
			missing: "consumer 1 wrote nothing"},
		"nothing, as all was total": {end: Total, consumers: []Consumer{whole(0), nothing},
			note: "consumer 1 wrote nothing"},
		"nothing of a total": {end: Total, consumers: []Consumer{nothing}, missing: "consumer 1 wrote nothing"},
		"not begun, all was total": {end: Total, consumers: []Consumer{whole(0), late},
			note: "consumer 1 never began: the load ended after 20s, before its turn came"},
		"nothing, as was told": {
			consumers: []Consumer{whole(0), changed(func(c *Consumer) { c.Bytes, c.Chunks, c.Told = 0, 0, true })}},
		"less than a chunk": {
			consumers: []Consumer{changed(func(c *Consumer) { c.Bytes, c.Chunks, c.Files, c.Partial = 100, 0, 0, 0 })},
			missing:   "consumer 1 wrote less than one chunk: 100 of 4096 B"},
		"no file by one": {consumers: []Consumer{whole(0), unfinished},
			missing: "consumer 1 finished no file; files must be smaller, or the runtime longer"},
		"no file by any": {consumers: []Consumer{unfinished},
			missing: "no file was finished: 3 files are all partial; files must be smaller, or the runtime longer"},
		"no file, cut": {end: Cut, consumers: []Consumer{unfinished}},
		"no file, as all was total": {end: Total, consumers: []Consumer{unfinished},
			note: "consumer 1 finished no file before the total was written"},
		"never began": {end: Early, consumers: []Consumer{whole(0), late},
			missing: "consumer 1 never began: the load ended after 20s, before its turn came"},
		"not begun when cut": {end: Cut, consumers: []Consumer{whole(0), late}},
		"nothing verified": {consumers: []Consumer{changed(func(c *Consumer) { c.Verifies = true })},
			missing: "nothing that consumer 1 wrote was verified, although it should have been"},
		"verified": {
			consumers: []Consumer{changed(func(c *Consumer) { c.Verifies, c.VerifiedBytes = true, 4096 })}},
		"nothing read": {consumers: []Consumer{whole(0), changed(func(c *Consumer) { c.Reads = true })},
			missing: "the readers of consumer 1 read nothing, although they should have"},
		"nothing read, cut": {end: Cut, consumers: []Consumer{changed(func(c *Consumer) { c.Reads = true })}},
		"nothing read, as all was total": {end: Total,
			consumers: []Consumer{changed(func(c *Consumer) { c.Reads = true })},
			note:      "the readers of consumer 1 read nothing, although they should have"},
		"nothing to read": {end: Total, consumers: []Consumer{whole(0),
			changed(func(c *Consumer) { c.Reads, c.Partial = true, c.Files })},
			note: "consumer 1 finished no file before the total was written"},
		"read": {consumers: []Consumer{changed(func(c *Consumer) { c.Reads, c.ReadBytes = true, 1 })}},
		"not sampled": {consumers: []Consumer{whole(0), changed(func(c *Consumer) { c.Samples = 0 })},
			missing: "the monitor took no sample of consumer 1 in 20s"},
		"too short for a sample": {change: func(l *Load) { l.Reached = time.Second },
			consumers: []Consumer{changed(func(c *Consumer) { c.Samples, c.Writing = 0, time.Second })}},
		"total not written": {change: func(l *Load) { l.TotalBytes = 4 << 20 }, consumers: []Consumer{whole(0)},
			note: "its runtime was over before its total was written: 1048576 of 4194304 B"},
		"beyond its runtime": {
			consumers: []Consumer{changed(func(c *Consumer) { c.Writing = 29 * time.Second })},
			note:      "writing went on for 9s behind the runtime of 20s, to finish files in progress"},
		"a little beyond": {
			consumers: []Consumer{changed(func(c *Consumer) { c.Writing = 21 * time.Second })}},
	} {
		t.Run(name, func(t *testing.T) {
			l := Load{End: tt.end, Runtime: 20 * time.Second, Reached: 20 * time.Second, MonitorInterval: time.Second,
				Consumers: tt.consumers}
			if tt.change != nil {
				tt.change(&l)
			}
			missing, notes := Judge(l)
			if !slices.Equal(missing, lines(tt.missing)) || !slices.Equal(notes, lines(tt.note)) {
				t.Errorf("missing %q, notes %q; want %q and %q", missing, notes, lines(tt.missing), lines(tt.note))
			}
		})
	}
}

func lines(one string) []string {
	if one == "" {
		return nil
	}
	return []string{one}
}

func TestManyAreNotNamedOneByOne(t *testing.T) {
	var list []uint32
	for i := range uint32(100) {
		list = append(list, i)
	}
	if got, want := text(list), "consumers 0, 1, 2, 3, 4, 5, 6, … and 99"; got != want {
		t.Errorf("they are %q; want %q", got, want)
	}
	if got, want := text(list[:2]), "consumers 0 and 1"; got != want {
		t.Errorf("they are %q; want %q", got, want)
	}
}
