package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"bulkhead/internal/procfile"
)

// ErrLied is wrapped when a process is not locked as it said.
var ErrLied = errors.New("the handler is not locked in as it says")

// Check looks at a process that was given an order and says that it lacks some layers: what of
// the others the kernel shows must be as it says. It returns ErrLied, wrapped, if it is not.
func Check(pid int, o Order, missing []Missing) error {
	s, err := readStatus(pid)
	if err != nil {
		return err
	}
	want := o.Layers
	for _, m := range missing {
		want = want.Without(m.Layer)
	}
	return s.check(want, o)
}

// Bare reports whether a process that was found is without a filter or could get privileges: one
// that an earlier program has started.
func Bare(pid int) (bool, error) {
	s, err := readStatus(pid)
	return err == nil && (s["NoNewPrivs"] != "1" || s["Seccomp"] != "2"), err
}

// Network returns the network namespace of this process: the inode of /proc/self/ns/net.
func Network() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &st); err != nil {
		return 0, fmt.Errorf("looking at the network namespace: %w", err)
	}
	return st.Ino, nil
}

// status is what /proc/PID/status says, by the names of its lines.
type status map[string]string

func readStatus(pid int) (status, error) {
	data, err := procfile.Read("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return nil, fmt.Errorf("looking at how process %d is locked in: %w", pid, err)
	}
	s := make(status, len(looked))
	for line := range bytes.Lines(data) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		for _, n := range looked {
			if string(name) == n {
				s[n] = string(bytes.TrimSpace(value))
			}
		}
	}
	return s, nil
}

// looked are the lines of it that anybody looks at.
var looked = [...]string{"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "Seccomp"}

// check compares the status with the layers that the process is to have.
func (s status) check(want Layers, o Order) error {
	four := func(id int) string { return strings.TrimSuffix(strings.Repeat(strconv.Itoa(id)+"\t", 4), "\t") }
	const noneOfThem = "0000000000000000"
	for _, line := range []struct {
		layer       Layer
		name, value string
	}{
		{User, "Uid", four(o.Uid)}, {User, "Gid", four(o.Gid)}, {User, "Groups", ""},
		{Capabilities, "CapPrm", noneOfThem}, {Capabilities, "CapEff", noneOfThem},
		{Capabilities, "CapInh", noneOfThem}, {Capabilities, "CapAmb", noneOfThem},
		{Privileges, "NoNewPrivs", "1"}, {Calls, "Seccomp", "2"},
	} {
		if want.Has(line.layer) && s[line.name] != line.value {
			return fmt.Errorf("%w: %s: it has %s %q; want %q", ErrLied, line.layer, line.name, s[line.name], line.value)
		}
	}
	return nil
}
