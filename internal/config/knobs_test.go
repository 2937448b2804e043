package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/config/value"
	"bulkhead/internal/human"
)

// TestKnobs loads every key of a consumer in each of its forms.
func TestKnobs(t *testing.T) {
	for _, row := range []struct {
		yaml   string
		change func(*Consumer)
	}{
		{"chunk_size: [{size: 4KiB, weight: 70}, {size: 128KiB, weight: 30}]",
			func(c *Consumer) {
				c.ChunkSize = value.ChunkSize{{Size: 4 * value.KiB, Weight: 70}, {Size: 128 * value.KiB, Weight: 30}}
			}},
		{"chunk_size: [{size: 4KiB}]",
			func(c *Consumer) { c.ChunkSize = value.ChunkSize{{Size: 4 * value.KiB, Weight: 1}} }},
		{"chunk_size: 4KiB:70,128KiB",
			func(c *Consumer) {
				c.ChunkSize = value.ChunkSize{{Size: 4 * value.KiB, Weight: 70}, {Size: 128 * value.KiB, Weight: 1}}
			}},
		{"file_size: {min: 1MiB, max: 8MiB}",
			func(c *Consumer) { c.FileSize = value.FileSize{Min: value.MiB, Max: 8 * value.MiB} }},
		{"file_size: 1MiB..8MiB",
			func(c *Consumer) { c.FileSize = value.FileSize{Min: value.MiB, Max: 8 * value.MiB} }},
		// less than a chunk
		{"file_size: {min: 1B, max: 8MiB}",
			func(c *Consumer) { c.FileSize = value.FileSize{Min: 1, Max: 8 * value.MiB} }},
		{"direct: true", func(c *Consumer) { c.Direct = true }},
		{"sync: none", func(c *Consumer) { c.Sync = value.FileSync{Policy: value.SyncNone} }},
		{"sync: fsync-per-file", func(c *Consumer) { c.Sync = value.FileSync{Policy: value.SyncFile} }},
		{"sync: fdatasync-per-chunk", func(c *Consumer) { c.Sync = value.FileSync{Policy: value.SyncChunk} }},
		{"sync: chunk", func(c *Consumer) { c.Sync = value.FileSync{Policy: value.SyncChunk} }},
		{"sync: O_DSYNC", func(c *Consumer) { c.Sync = value.FileSync{Policy: value.SyncDSync} }},
		{"sync: 16MiB", func(c *Consumer) { c.Sync = value.FileSync{Policy: value.SyncBytes, Every: 16 * value.MiB} }},
		{"sync: every 16MiB",
			func(c *Consumer) { c.Sync = value.FileSync{Policy: value.SyncBytes, Every: 16 * value.MiB} }},
		{"rate: {bytes: 100MB, chunks: 0.5}", func(c *Consumer) { c.Rate = Rate{100 * value.MB, 0.5} }},
		{"data: zeros", func(c *Consumer) { c.Data = value.Data{Kind: value.DataZeros} }},
		{"data: {compressible: 60}",
			func(c *Consumer) { c.Data = value.Data{Kind: value.DataCompressible, Percent: 60} }},
		{"data: {dedupable: 0}", func(c *Consumer) { c.Data = value.Data{Kind: value.DataDedupable, Percent: 0} }},
		{"data: dedupable:100", func(c *Consumer) { c.Data = value.Data{Kind: value.DataDedupable, Percent: 100} }},
		{"seed: 18446744073709551615", func(c *Consumer) { c.Seed = 1<<64 - 1 }},
		{"preallocate: true", func(c *Consumer) { c.Preallocate = true }},
		{"pattern: random", func(c *Consumer) { c.Pattern = PatternRandom }},
		{"pattern: append", func(c *Consumer) { c.Pattern = PatternAppend }},
		{"concurrency: 256", func(c *Consumer) { c.Concurrency = 256 }},
		{"start_delay: 20s", func(c *Consumer) { c.StartDelay = 20 * time.Second }},
		{"think_time: 5us", func(c *Consumer) { c.ThinkTime = 5 * time.Microsecond }},
		{"keep_files: 0", func(c *Consumer) { c.KeepFiles = 0 }},
		{"recycle: true", func(c *Consumer) { c.Recycle = true }},
		{"verify: at-rollover", func(c *Consumer) { c.Verify = VerifyAtRollover }},
		{"verify: at-end", func(c *Consumer) { c.Verify = VerifyAtEnd }},
		{"verify: continuous", func(c *Consumer) { c.Verify = VerifyContinuous }},
		{"reserve: 0", func(c *Consumer) { c.Reserve = value.Reserve{} }},
		{"reserve: 7%", func(c *Consumer) { c.Reserve = value.Reserve{Percent: 7} }},
		{"reserve: 7GB", func(c *Consumer) { c.Reserve = value.Reserve{Size: 7 * value.GB} }},
		{"reserve_inodes: 0", func(c *Consumer) { c.ReserveInodes = value.InodeReserve{} }},
		{"reserve_inodes: 7%", func(c *Consumer) { c.ReserveInodes = value.InodeReserve{Percent: 7} }},
		{"reserve_inodes: 500", func(c *Consumer) { c.ReserveInodes = value.InodeReserve{Count: 500} }},
		{"reserve_inodes: auto",
			func(c *Consumer) { c.ReserveInodes = value.InodeReserve{Count: 10_000, Percent: 5} }},
		{"reserve: auto", func(c *Consumer) { c.Reserve = value.Reserve{Size: value.GiB, Percent: 5} }},
	} {
		t.Run(row.yaml, func(t *testing.T) {
			for form, text := range map[string]string{
				"of all": row.yaml,
				"of one": "consumer_count: 2\nconsumers:\n- {}\n- " + row.yaml,
			} {
				c, err := LoadClient(write(t, text), nil, nil)
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				defaults, err := LoadClient("", nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				changed := defaults.Consumer
				row.change(&changed)
				want := []Consumer{changed, changed}
				if form == "of one" {
					want[0] = defaults.Consumer
				}
				if diff := cmp.Diff(want, c.Consumers()); diff != "" {
					t.Errorf("%s: %s", form, diff)
				}
			}
		})
	}
}

// TestKnobsReadBack writes what was read on one line, as flags and variables have it.
func TestKnobsReadBack(t *testing.T) {
	for key, texts := range map[string][]string{
		"chunk_size":     {"1B", "4KiB:70,128KiB:30", "4KiB:1,8KiB:1"},
		"file_size":      {"64MiB", "1B..16384GiB"},
		"sync":           {"none", "file", "chunk", "dsync", "16MiB"},
		"data":           {"random", "zeros", "compressible:60", "dedupable:0"},
		"reserve":        {"auto", "0B", "7%", "3GB"},
		"reserve_inodes": {"auto", "0", "7%", "300"},
		"rate.chunks":    {"0", "0.25", "1000000000"},
	} {
		for _, text := range texts {
			c, err := LoadClient("", nil, []Override{{Key: key, Value: text, Origin: "--" + key}})
			if err != nil {
				t.Error(err)
				continue
			}
			got := map[string]string{
				"chunk_size": c.Consumer.ChunkSize.String(), "file_size": c.Consumer.FileSize.String(),
				"sync": c.Consumer.Sync.String(),
				"data": c.Consumer.Data.String(), "reserve": c.Consumer.Reserve.String(),
				"reserve_inodes": c.Consumer.ReserveInodes.String(),
				"rate.chunks":    human.ExactNumber(c.Consumer.Rate.Chunks),
			}[key]
			if got != text {
				t.Errorf("%s: %s reads back as %s", key, text, got)
			}
		}
	}
}

func TestOneConsumerOverridesPartOfTheRate(t *testing.T) {
	c, err := LoadClient(write(t, "rate: {bytes: 10MB, chunks: 5}\nconsumers: [{rate: {chunks: 7}}]"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Consumers()[0].Rate, (Rate{10 * value.MB, 7}); got != want {
		t.Errorf("rate = %v; want %v", got, want)
	}
}

func TestEndOfTheLoad(t *testing.T) {
	c, err := LoadClient(write(t, "total_size: 5GB\nramp: 20s\nstop_when: {steady: {window: 5s, variation: 0.5}}"), nil,
		nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.TotalSize != 5*value.GB || c.Ramp != 20*time.Second || c.StopWhen != (Steady{5 * time.Second, 0.5}) {
		t.Errorf("client = %+v", c)
	}
}
