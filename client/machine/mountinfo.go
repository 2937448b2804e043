package machine

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// mount is a line of /proc/self/mountinfo (proc(5)).
type mount struct {
	id               uint64
	number           // of its device; major 0 if it has none
	at, kind, source string
	options          string // of the file system
}

// String returns a number as /sys names it.
func (n number) String() string { return fmt.Sprintf("%d:%d", n.major, n.minor) }

// parseNumber reads "8:17".
func parseNumber(text string) (number, bool) {
	before, after, ok := strings.Cut(text, ":")
	if !ok {
		return number{}, false
	}
	major, err := strconv.ParseUint(before, 10, 32)
	if err != nil {
		return number{}, false
	}
	minor, err := strconv.ParseUint(after, 10, 32)
	return number{uint32(major), uint32(minor)}, err == nil
}

// parseMounts reads /proc/self/mountinfo; lines that make no sense are left out.
func parseMounts(data []byte) []mount {
	var list []mount
	for line := range bytes.Lines(data) {
		before, after, ok := strings.Cut(strings.TrimSpace(string(line)), " - ")
		f, fs := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(fs) < 2 {
			continue
		}
		id, err := strconv.ParseUint(f[0], 10, 64)
		n, ok := parseNumber(f[2])
		if err != nil || !ok {
			continue
		}
		m := mount{id: id, number: n, at: unescape(f[4]), kind: fs[0], source: unescape(fs[1])}
		if len(fs) > 2 {
			m.options = fs[2]
		}
		list = append(list, m)
	}
	return list
}

// mountOf returns the mount with an id, or, where the kernel gave no id, the last one of a device.
func mountOf(mounts []mount, id uint64, n number) (mount, bool) {
	for i := len(mounts) - 1; i >= 0; i-- {
		if m := mounts[i]; id != 0 && m.id == id || id == 0 && m.number == n {
			return m, true
		}
	}
	return mount{}, false
}

// mountAt returns the mount that an absolute path is on: the newest of those deepest above it.
func mountAt(mounts []mount, path string) (on mount, ok bool) {
	for _, m := range mounts {
		above := strings.TrimSuffix(m.at, "/") + "/"
		if strings.HasPrefix(path, above) && len(m.at) >= len(on.at) {
			on, ok = m, true
		}
	}
	return on, ok
}

// isNFS reports whether it is a mount of NFS.
func (m mount) isNFS() bool { return m.kind == "nfs" || m.kind == "nfs4" }

// server returns the address that a mount of NFS is mounted from, "" if it is unknown.
func (m mount) server() string {
	for option := range strings.SplitSeq(m.options, ",") {
		if address, is := strings.CutPrefix(option, "addr="); is && m.isNFS() {
			return address
		}
	}
	return ""
}

// unescape returns what the kernel has written with \ and three octal digits for blanks, tabs,
// ends of lines and backslashes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
