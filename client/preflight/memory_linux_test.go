package preflight

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
)

// system makes the root of a file system with these files.
func system(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const meminfo = "MemTotal:       24684000 kB\nMemFree:        100 kB\nMemAvailable:   2048 kB\n"

func TestRoomOfMemory(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		bytes uint64
		of    string
	}{
		"nothing is known": {nil, math.MaxUint64, "this machine"},
		"no group":         {map[string]string{"proc/meminfo": meminfo}, 2 * scripted.Mib, "this machine"},
		"a group without a limit": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a\n",
			"proc/self/mountinfo":        "31 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/a/memory.max": "max\n", "sys/fs/cgroup/a/memory.current": "1\n"}, 2 * scripted.Mib,
			"this machine"},
		"the group's limit, what files have in the cache not counted": {
			map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a\n",
				"proc/self/mountinfo":        "31 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
				"sys/fs/cgroup/a/memory.max": "1048576\n", "sys/fs/cgroup/a/memory.current": "800000\n",
				"sys/fs/cgroup/a/memory.stat": "anon 100000\ninactive_file 400000\nactive_file 300000\n"},
			scripted.Mib - 100000, "its control group /a"},
		"the limit of a group above": {
			map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
				"proc/self/mountinfo":        "31 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
				"sys/fs/cgroup/a/memory.max": "5000\n", "sys/fs/cgroup/a/memory.current": "1000\n",
				"sys/fs/cgroup/a/b/memory.max": "7000\n", "sys/fs/cgroup/a/b/memory.current": "1000\n"}, 4000,
			"its control group /a"},
		"a group that is full": {map[string]string{"proc/self/cgroup": "0::/\n",
			"proc/self/mountinfo":      "31 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory.max": "5000\n", "sys/fs/cgroup/memory.current": "6000\n"}, 0,
			"its control group /"},
		"a container without its own tree of paths": {
			map[string]string{"proc/self/cgroup": "0::/kubepods/pod1\n",
				"proc/self/mountinfo":      "31 24 0:26 /kubepods/pod1 /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
				"sys/fs/cgroup/memory.max": "5000\n", "sys/fs/cgroup/memory.current": "1000\n"}, 4000,
			"its control group /kubepods/pod1"},
		"version 1": {map[string]string{"proc/meminfo": meminfo,
			"proc/self/cgroup": "5:cpu:/a\n4:hugetlb,memory:/a\n0::/\n",
			"proc/self/mountinfo": "41 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup " +
				"rw,hugetlb,memory\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9000\n",
			"sys/fs/cgroup/memory/a/memory.usage_in_bytes": "5000\n",
			"sys/fs/cgroup/memory/a/memory.stat":           "inactive_file 1\ntotal_inactive_file 1000\n"}, 5000,
			"its control group /a"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := roomOfMemory(system(t, c.files)); got.bytes != c.bytes || got.of != c.of {
				t.Errorf("%+v; want %d of %s", got, c.bytes, c.of)
			}
		})
	}
}

// TestMemoryIsPartOfThePlan refuses a load whose data alone have no room in memory, and warns
// of one that may not.
func TestMemoryIsPartOfThePlan(t *testing.T) {
	load := func(t *testing.T, available int) spec.Config {
		c := scripted.Small(t.TempDir())
		c.ChunkSize, c.FileSize, c.Concurrency = 4*scripted.Mib, 4*scripted.Mib, 8
		cfg := scripted.Config(scripted.Small(t.TempDir()), c)
		cfg.Runtime, cfg.Root = time.Hour, system(t,
			map[string]string{"proc/meminfo": fmt.Sprintf("MemAvailable: %d kB\n", available<<10)})
		return cfg
	}
	cfg, err := load(t, 1).Resolve()
	if err != nil {
		t.Fatal(err)
	}
	least, most := memoryOfAll(cfg)
	_, larger := memoryOf(cfg.Consumers[1], 0)
	for _, c := range []struct {
		available    int
		swap         bool // that is large
		warns, fails bool
	}{
		{int(least/scripted.Mib) - 1, false, false, true}, {int(least/scripted.Mib) - 1, true, true, false},
		{int(least/scripted.Mib) + 1, false, true, false}, {int(most/scripted.Mib) - 1, false, true, false},
		{int(most/scripted.Mib) + 1, false, false, false},
	} {
		t.Run(fmt.Sprint(c.available, c.swap), func(t *testing.T) {
			cfg := load(t, c.available)
			if c.swap {
				cfg.Root = system(t,
					map[string]string{"proc/meminfo": fmt.Sprintf("MemAvailable: %d kB\nSwapTotal: %d kB\n",
						c.available<<10, most>>10)})
			}
			plan, err := MakePlan(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(append(plan.Warnings, plan.Problems...), "\n")
			if (len(plan.Warnings) == 1) != c.warns || (len(plan.Problems) == 1) != c.fails {
				t.Errorf("warnings %q, problems %q; want %+v", plan.Warnings, plan.Problems, c)
			}
			want := fmt.Sprintf("memory: the load takes %s to %s, up to %s of it consumer 1, and this machine has "+
				"%dMiB left; lower concurrency, chunk_size or the number of consumers",
				Memory(least), Memory(most), Memory(larger), c.available)
			if (c.warns || c.fails) && said != want {
				t.Errorf("%s\nwant\n%s", said, want)
			}
			if cfg, err = cfg.Resolve(); err != nil {
				t.Fatal(err)
			}
			dirs := site.New(cfg, spec.NewClientID())
			defer dirs.Close()
			err = Check(t.Context(), cfg, dirs)
			if refused := errors.Is(err, spec.ErrConfig) && strings.Contains(err.Error(), want); refused != c.fails {
				t.Errorf("preflight: %v", err)
			}
			if err := site.RemoveFolders(dirs.Paths(), nil); err != nil {
				t.Error(err)
			}
		})
	}
}
