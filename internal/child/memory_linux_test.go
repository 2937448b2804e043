package child

import (
	"os"
	"path/filepath"
	"testing"
)

// What the system kills in another control group is counted only where groups do not count.
func TestKillsAreCountedInTheGroupOfTheChildren(t *testing.T) {
	const (
		v1      = "4:memory:/one\n0::/\n"
		v1Mount = "41 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		v2      = "0::/one\n"
		v2Mount = "31 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
		events  = "low 0\nhigh 0\nmax 4\noom 2\noom_kill 2\n"
	)
	for name, c := range map[string]struct {
		own, mounts string
		files       map[string]string
		want        string
		kills       uint64
	}{
		"version 1": {v1, v1Mount, map[string]string{
			"sys/fs/cgroup/memory/one/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
		}, "sys/fs/cgroup/memory/one/memory.oom_control", 3},
		"version 1, of a kernel that does not count": {v1, v1Mount, map[string]string{
			"sys/fs/cgroup/memory/one/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n",
		}, "proc/vmstat", 7},
		"version 2": {v2, v2Mount, map[string]string{
			"sys/fs/cgroup/one/memory.events":       events,
			"sys/fs/cgroup/one/memory.events.local": "oom 1\noom_kill 1\noom_group_kill 0\n",
		}, "sys/fs/cgroup/one/memory.events.local", 1},
		"version 2, of a kernel without local events": {v2, v2Mount, map[string]string{
			"sys/fs/cgroup/one/memory.events": events}, "sys/fs/cgroup/one/memory.events", 2},
		"version 2, in the root": {"0::/\n", v2Mount, nil, "proc/vmstat", 7},
		"no groups":              {"", "", nil, "proc/vmstat", 7},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write := func(path, text string) {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("proc/self/cgroup", c.own)
			write("proc/self/mountinfo", c.mounts)
			write("proc/vmstat", "nr_free_pages 1\noom_kill 7\nswap_ra 0\n")
			for path, text := range c.files {
				write(path, text)
			}
			path := killCounterBelow(root)
			if want := filepath.Join(root, c.want); path != want {
				t.Fatalf("counted in %q; want %q", path, want)
			}
			if n := killsIn(path); n != c.kills {
				t.Errorf("%s says %d; want %d", path, n, c.kills)
			}
		})
	}
}
