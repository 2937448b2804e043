package machine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bulkhead/internal/pathname"
	"bulkhead/internal/procfile"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// maxDepth bounds how deep devices lie one on another.
const maxDepth = 8

// device is a block device, as /sys shows it.
type device struct {
	number
	name, title string
	kind        bulkheadv1.DeviceKind
	below       bool
}

// devicesBelow returns the device with a number and those below it, each before the ones that it is
// made of. For a partition it is the disk, and of a loop device that of the mount that its file is on,
// which is found by the file's path: a file system that hangs is not asked. It is empty if /sys does not
// show it.
func devicesBelow(sys string, of number, mounts []mount) []device {
	t := tree{sys: sys, mounts: mounts}
	return t.deeper(nil, t.folder(of), 0)
}

// tree is where devices are looked up.
type tree struct {
	sys    string
	mounts []mount
}

// folder returns the folder of a device in /sys; "" if there is none.
func (t tree) folder(of number) string {
	folder, err := filepath.EvalSymlinks(filepath.Join(t.sys, "dev/block", of.String()))
	if err != nil {
		return ""
	}
	return folder
}

// deeper adds the device in a folder of /sys, and those below it, to a list.
func (t tree) deeper(list []device, folder string, depth int) []device {
	if folder == "" {
		return list
	}
	if depth == maxDepth || len(list) == maxDevices {
		return list
	}
	if has(folder, "partition") {
		folder = filepath.Dir(folder)
	}
	d, ok := readDevice(folder)
	if !ok || slices.ContainsFunc(list, func(o device) bool { return o.number == d.number }) {
		return list
	}
	d.below = depth > 0
	list = append(list, d)
	if d.kind == bulkheadv1.DeviceKind_DEVICE_KIND_LOOP {
		if m, ok := mountAt(t.mounts, d.title); ok && m.major != 0 {
			return t.deeper(list, t.folder(m.number), depth+1)
		}
	}
	lower, err := os.ReadDir(filepath.Join(folder, "slaves"))
	if err != nil {
		return list
	}
	for _, entry := range lower {
		if at, err := filepath.EvalSymlinks(filepath.Join(folder, "slaves", entry.Name())); err == nil {
			list = t.deeper(list, at, depth+1)
		}
	}
	return list
}

func readDevice(folder string) (device, bool) {
	n, ok := parseNumber(text(folder, "dev"))
	if !ok {
		return device{}, false
	}
	d := device{number: n, name: strings.ReplaceAll(filepath.Base(folder), "!", "/"),
		kind: bulkheadv1.DeviceKind_DEVICE_KIND_DISK}
	switch {
	case has(folder, "dm"):
		d.kind, d.title = bulkheadv1.DeviceKind_DEVICE_KIND_MAPPING, text(folder, "dm/name")
	case has(folder, "md"):
		d.kind, d.title = bulkheadv1.DeviceKind_DEVICE_KIND_ARRAY, text(folder, "md/level")
	case has(folder, "loop"):
		d.kind, d.title = bulkheadv1.DeviceKind_DEVICE_KIND_LOOP, text(folder, "loop/backing_file")
	case strings.HasPrefix(d.name, "zram"), strings.HasPrefix(d.name, "ram"):
		d.kind = bulkheadv1.DeviceKind_DEVICE_KIND_MEMORY
	default:
		d.title = text(folder, "device/model")
	}
	return d, true
}

// wire returns a device as messages have it, without its activity.
func (d device) wire() *bulkheadv1.Device {
	return &bulkheadv1.Device{Name: pathname.Clip(d.name, maxName), Title: pathname.Clip(d.title, maxTitle),
		Major: d.major, Minor: d.minor, Kind: d.kind, Below: d.below}
}

// has reports whether a folder has something of that name.
func has(folder, name string) bool {
	_, err := os.Lstat(filepath.Join(folder, name))
	return err == nil
}

// text returns the content of a file of one line, "" if there is none.
func text(folder, name string) string {
	data, err := procfile.Read(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
