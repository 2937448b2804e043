package cgroup

import (
	"slices"
	"testing"
)

func TestFind(t *testing.T) {
	const (
		v1   = "9:name=systemd:/\n8:pids:/a/b\n4:cpu,memory:/m\n0::/u\n"
		v2   = "0::/user.slice/x.service\n"
		v1At = "40 30 0:26 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n41 30 0:27 / " +
			"/sys/fs/cgroup/memory rw - cgroup cgroup rw,memory,cpu\n42 30 0:28 / /sys/fs/cgroup/unified rw - " +
			"cgroup2 cgroup2 rw\n"
		v2At  = "31 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		inBox = "40 30 0:26 /a /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n"
		moved = "40 30 0:26 /other /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n"
	)
	for name, c := range map[string]struct {
		controller, own, mounts string
		want                    []Group
	}{
		"version 1": {"pids", v1, v1At,
			[]Group{{"/sys/fs/cgroup/pids/a/b", "/a/b", false}, {"/sys/fs/cgroup/pids/a", "/a", false},
				{"/sys/fs/cgroup/pids", "/", false}}},
		"two controllers in a mount": {"memory", v1, v1At,
			[]Group{{"/sys/fs/cgroup/memory/m", "/m", false}, {"/sys/fs/cgroup/memory", "/", false}}},
		"hybrid, in the unified one": {"io", v1, v1At,
			[]Group{{"/sys/fs/cgroup/unified/u", "/u", true}, {"/sys/fs/cgroup/unified", "/", true}}},
		"version 2": {"pids", v2, v2At,
			[]Group{{"/sys/fs/cgroup/user.slice/x.service", "/user.slice/x.service", true},
				{"/sys/fs/cgroup/user.slice", "/user.slice", true},
				{"/sys/fs/cgroup", "/", true}}},
		"a container's part": {"pids", v1, inBox,
			[]Group{{"/sys/fs/cgroup/pids/b", "/a/b", false}, {"/sys/fs/cgroup/pids", "/a", false}}},
		"mounted from somewhere else":  {"pids", v1, moved, []Group{{"/sys/fs/cgroup/pids", "/other", false}}},
		"not mounted":                  {"pids", v1, v2At, nil},
		"no group and no mount at all": {"pids", "", "", nil},
		"lines that make no sense":     {"pids", "8:pids\n\n::\n", "x\n - \n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := find(c.controller, c.own, c.mounts); !slices.Equal(got, c.want) {
				t.Errorf("got %v; want %v", got, c.want)
			}
		})
	}
}
