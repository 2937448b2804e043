package custody

import (
	"fmt"
	"os/user"
	"strconv"
	"strings"
)

// nobody is the user and the group of handlers where none is set: the kernel's for whoever has
// none (/proc/sys/kernel/overflowuid).
const nobody = 65534

// lookUp returns the ids of a setting: the name or the id of a user, and that of a group behind a
// colon if it is to be another than the user's.
func lookUp(setting string) (uid, gid int, err error) {
	if setting == "" {
		return nobody, nobody, nil
	}
	name, group, both := strings.Cut(setting, ":")
	if u, fails := user.Lookup(name); fails == nil {
		uid, err = strconv.Atoi(u.Uid)
		if err == nil && !both {
			gid, err = strconv.Atoi(u.Gid)
		}
	} else if uid, err = id(name); err != nil {
		return 0, 0, fmt.Errorf("there is no user %q", name)
	} else {
		gid = uid
	}
	if err == nil && both {
		if g, fails := user.LookupGroup(group); fails == nil {
			gid, err = strconv.Atoi(g.Gid)
		} else if gid, err = id(group); err != nil {
			return 0, 0, fmt.Errorf("there is no group %q", group)
		}
	}
	return uid, gid, err
}

// id reads the number of a user or a group.
func id(text string) (int, error) {
	const bits = 31 // all ones means that nothing changes, setresuid(2)
	n, err := strconv.ParseUint(text, 10, bits)
	return int(n), err
}
