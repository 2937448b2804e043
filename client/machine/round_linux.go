package machine

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	partFileSystem = bulkheadv1.MachinePart_MACHINE_PART_FILE_SYSTEM
	partDevice     = bulkheadv1.MachinePart_MACHINE_PART_DEVICE
	partNetwork    = bulkheadv1.MachinePart_MACHINE_PART_NETWORK
)

// fileSystems samples where the consumers write.
func (r *round) fileSystems() {
	for _, p := range r.places {
		p.ask(r.now.at, r.look)
	}
	over := make(chan struct{})
	timer := time.AfterFunc(patience, func() { close(over) })
	defer timer.Stop()
	if r.more {
		r.missing(partFileSystem, tooMany, "")
	}
	moved := false
	for _, p := range r.places {
		was, known := p.last, p.known
		late := p.asked.Before(r.now.at) // it was waited for before
		if late && len(p.pending) == 0 || !p.hear(over) {
			r.silent(p)
			continue
		}
		moved = moved || !known || was.id != p.last.id || was.number != p.last.number
	}
	if moved || r.mounts == nil {
		if data, ok := r.read(partFileSystem, "self/mountinfo"); ok {
			r.mounts, r.devices = parseMounts(data), make(map[number][]device)
		}
	}
	for _, p := range r.places {
		r.fileSystem(p)
	}
	r.nfs()
}

// silent says that a file system does not answer.
func (r *round) silent(p *place) { r.missing(partFileSystem, silent, p.path) }

// fileSystem adds the file system of a place, or its consumers if it is there.
func (r *round) fileSystem(p *place) {
	if !p.known {
		return
	}
	if p.last.err != nil {
		r.missing(partFileSystem, reasonOf(p.last.err), p.path)
		return
	}
	m, ok := mountOf(r.mounts, p.last.id, p.last.number)
	if !ok {
		r.missing(partFileSystem, notShown, p.path)
		m = mount{number: p.last.number}
	}
	for _, other := range r.mounted {
		if other.id == m.id && other.number == m.number {
			other.Consumers += p.consumers
			return
		}
	}
	if len(r.mounted) == maxFileSystems {
		r.missing(partFileSystem, tooMany, "")
		return
	}
	wire := &bulkheadv1.FileSystem{Consumers: p.consumers, Type: pathname.Clip(m.kind, maxName), Source: clip(m.source)}
	wire.Path, wire.PathBytes = pathname.Wire(p.path)
	if p.pending == nil {
		wire.Space = p.last.space
	} else {
		wire.SilentNano = int64(max(r.now.at.Sub(p.asked), 1))
	}
	r.out.FileSystems = append(r.out.FileSystems, wire)
	r.mounted = append(r.mounted, mounted{m, wire})
}

// nfs samples the mounts of NFS among the file systems.
func (r *round) nfs() {
	const part = bulkheadv1.MachinePart_MACHINE_PART_NFS
	if !slices.ContainsFunc(r.mounted, func(m mounted) bool { return m.isNFS() }) {
		return
	}
	data, ok := r.read(part, "self/mountstats")
	if !ok {
		return
	}
	r.now.nfs = make(map[string]nfsCounters)
	for _, m := range r.mounted {
		if !m.isNFS() {
			continue
		}
		counted, ok := parseNFS(data, m.at)
		if !ok {
			r.missing(part, unreadable, m.at)
			continue
		}
		r.now.nfs[m.at] = counted
		if before, ok := r.last.nfs[m.at]; ok {
			if m.Nfs = nfsActivity(before, counted); m.Nfs == nil {
				r.missing(part, begunAnew, m.at)
			}
		}
	}
}

// disks samples the devices behind the file systems.
func (r *round) disks() {
	var all []device
	wanted := make(map[number]bool)
	for _, m := range r.mounted {
		for _, d := range r.behind(m.mount, m.Path) {
			if !wanted[d.number] && len(all) == maxDevices {
				r.missing(partDevice, tooMany, "")
				break
			}
			m.Devices = append(m.Devices, &bulkheadv1.DeviceName{Name: pathname.Clip(d.name, maxName)})
			if !wanted[d.number] {
				wanted[d.number] = true
				all = append(all, d)
			}
		}
	}
	if len(all) == 0 {
		return
	}
	data, ok := r.read(partDevice, "diskstats")
	if !ok {
		return
	}
	r.now.disks = parseDisks(data, func(n number) bool { return wanted[n] })
	for _, d := range all {
		wire := d.wire()
		r.out.Devices = append(r.out.Devices, wire)
		counted, ok := r.now.disks[d.number]
		if !ok {
			r.missing(partDevice, notShown, d.name)
			continue
		}
		if before, ok := r.last.disks[d.number]; ok {
			if wire.Activity = activity(before, counted, r.interval); wire.Activity == nil {
				r.missing(partDevice, begunAnew, d.name)
			}
		}
	}
}

// behind returns the devices that a file system is on.
func (r *round) behind(m mount, path string) []device {
	n := m.number
	if n.major == 0 && strings.HasPrefix(m.source, "/dev/") {
		n = deviceFile(filepath.Join(r.root, m.source)) // of a file system that may have several
	}
	if n.major == 0 {
		r.missing(partDevice, none, path)
		return nil
	}
	list, known := r.devices[n]
	if !known {
		list = devicesBelow(filepath.Join(r.root, "sys"), n, r.mounts)
		r.devices[n] = list
	}
	if len(list) == 0 {
		r.missing(partDevice, notShown, n.String())
	}
	return list
}

// deviceFile returns the number of a block device's file; the zero number if it is none.
func deviceFile(path string) number {
	var seen unix.Stat_t
	if err := unix.Stat(path, &seen); err != nil || seen.Mode&unix.S_IFMT != unix.S_IFBLK {
		return number{}
	}
	return number{unix.Major(seen.Rdev), unix.Minor(seen.Rdev)}
}

// network samples the interfaces that lead to the supervisor and to servers of NFS.
func (r *round) network() {
	var used []*bulkheadv1.NetworkInterface
	add := func(to, from netip.Addr) *bulkheadv1.NetworkInterface {
		name, err := interfaceTo(to, from)
		if err != nil {
			r.missing(partNetwork, notShown, to.String())
			return nil
		}
		for _, i := range used {
			if i.GetName() == name {
				return i
			}
		}
		if len(used) == maxInterfaces {
			r.missing(partNetwork, tooMany, "")
			return nil
		}
		used = append(used, &bulkheadv1.NetworkInterface{Name: name})
		return used[len(used)-1]
	}
	if !r.target.Supervisor.IsValid() {
		r.missing(partNetwork, notShown, "supervisor")
	} else if i := add(r.target.Supervisor, r.target.Local); i != nil {
		i.ToSupervisor = true
	}
	for _, m := range r.mounted {
		if server, err := netip.ParseAddr(m.server()); err == nil {
			if i := add(server, netip.Addr{}); i != nil {
				i.ToStorage = true
			}
		}
	}
	if len(used) > 0 {
		r.interfaces(used)
	}
}

// interfaces samples what passed interfaces.
func (r *round) interfaces(used []*bulkheadv1.NetworkInterface) {
	data, ok := r.read(partNetwork, "self/net/dev")
	if !ok {
		return
	}
	r.out.Interfaces = used
	r.now.interfaces = parseInterfaces(data, func(name string) bool {
		return slices.ContainsFunc(used, func(i *bulkheadv1.NetworkInterface) bool { return i.GetName() == name })
	})
	for _, i := range used {
		name := i.GetName()
		if i.Loopback = isLoopback(r.root, name); !i.GetLoopback() {
			i.BitsPerSecond = speedOf(filepath.Join(r.root, "sys"), name)
		}
		if i.GetBitsPerSecond() == 0 {
			r.missing(bulkheadv1.MachinePart_MACHINE_PART_NETWORK_SPEED, none, name)
		}
		counted, ok := r.now.interfaces[name]
		if !ok {
			r.missing(partNetwork, notShown, name)
			continue
		}
		if before, ok := r.last.interfaces[name]; ok {
			if i.Activity = netActivity(before, counted); i.Activity == nil {
				r.missing(partNetwork, begunAnew, name)
			}
		}
	}
}

// isLoopback reports whether an interface is that of the loopback (ARPHRD_LOOPBACK).
func isLoopback(root, name string) bool {
	kind := text(filepath.Join(root, "sys/class/net", name), "type")
	return kind == "772" || kind == "" && name == "lo"
}
