package machine

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"bulkhead/internal/cgroup"
	"bulkhead/internal/procfile"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Bounds of a sample; message.proto states them.
const (
	maxFileSystems = protocol.MaxFileSystems
	maxDevices     = protocol.MaxDevices
	maxLimits      = protocol.MaxProcessorLimits
	maxInterfaces  = protocol.MaxInterfaces
	maxGaps        = protocol.MaxMachineGaps
	maxName        = protocol.MaxDeviceNameBytes
	maxTitle       = protocol.MaxDeviceTitleBytes
	maxAbout       = protocol.MaxMachineTextBytes
	longest        = protocol.MaxDuration
	most           = uint64(1) << protocol.MaxAmountBits
)

const (
	// maxPaths is the most different folders that are looked at.
	maxPaths = 64
	// patience is how long a sample waits for file systems that do not answer at once.
	patience = 50 * time.Millisecond
)

// Target is where a client writes, and to whom it is connected.
type Target struct {
	// Paths are the folders of its consumers, one for each.
	Paths []string
	// Local and Supervisor are the ends of its connection; the zero value is not known.
	Local, Supervisor netip.Addr
}

// Options configures a Sampler; the zero value is ready for use.
type Options struct {
	// Root is the folder below which /proc, /sys and /dev are found; empty means /.
	Root string
}

// Sampler samples a machine, from one goroutine.
type Sampler struct {
	target Target
	root   string
	system uint64
	groups []cgroup.Group // that may have a limit
	places []*place
	more   bool                   // there are more folders than places
	look   func(path string) look // lookAt, but for tests

	mounts  []mount             // as they were when a place was last seen on another one
	devices map[number][]device // what a file system is on, by its number
	last    reading             // the newest
	told    map[gap]bool        // the gaps of the newest sample
}

// reading is what the system had counted at a moment; what it does not tell is missing.
type reading struct {
	at         time.Time // zero before the first
	disks      map[number]diskLine
	nfs        map[string]nfsCounters // by where it is mounted
	pressure   map[string][]uint64    // by the file's name
	throttling map[string][]uint64    // by the group's folder
	interfaces map[string][]uint64
}

// New returns a Sampler of the machine for a target.
func New(target Target, o Options) *Sampler {
	if o.Root == "" {
		o.Root = "/"
	}
	s := &Sampler{target: target, root: o.Root, look: lookAt, devices: make(map[number][]device)}
	if boot := text(o.Root, "proc/sys/kernel/random/boot_id"); boot != "" {
		sum := sha256.Sum256([]byte(boot))
		s.system = binary.BigEndian.Uint64(sum[:])
	}
	s.groups = cgroup.OfRoot(o.Root, "cpu")
	at := make(map[string]*place)
	for _, path := range target.Paths {
		if at[path] == nil {
			if len(s.places) == maxPaths {
				s.more = true
				continue
			}
			at[path] = &place{path: path}
			s.places = append(s.places, at[path])
		}
		at[path].consumers++
	}
	return s
}

// Sample returns what the machine is and did since the sample before.
func (s *Sampler) Sample() *bulkheadv1.Machine {
	now := time.Now()
	r := &round{Sampler: s, now: reading{at: now}, out: &bulkheadv1.Machine{System: s.system},
		found: make(map[gap]bool)}
	if !s.last.at.IsZero() {
		r.interval = now.Sub(s.last.at)
		r.out.IntervalNano = int64(r.interval)
	}
	r.fileSystems()
	r.disks()
	r.memory()
	r.pressures()
	r.limits()
	r.network()
	s.last, s.told = r.now, r.found
	return r.out
}

// round is one sample in the making.
type round struct {
	*Sampler
	now      reading
	interval time.Duration // since the last reading; 0 in the first round
	out      *bulkheadv1.Machine
	found    map[gap]bool
	mounted  []mounted // in the order of out.FileSystems
}

// mounted is a file system of the sample.
type mounted struct {
	mount
	*bulkheadv1.FileSystem
}

// read returns the content of a file of /proc; where it cannot be read, it is a gap of a part.
func (r *round) read(part bulkheadv1.MachinePart, name string) ([]byte, bool) {
	data, err := procfile.Read(filepath.Join(r.root, "proc", name))
	if err != nil {
		r.missing(part, reasonOf(err), "/proc/"+name)
		return nil, false
	}
	return data, true
}

// memory samples memory and what is dirty of it.
func (r *round) memory() {
	const part = bulkheadv1.MachinePart_MACHINE_PART_MEMORY
	meminfo, ok := r.read(part, "meminfo")
	if !ok {
		return
	}
	vmstat, ok := r.read(part, "vmstat")
	if !ok {
		return
	}
	if r.out.Memory = memoryOf(meminfo, vmstat, uint64(os.Getpagesize())); r.out.Memory == nil {
		r.missing(part, unreadable, "/proc/meminfo, /proc/vmstat")
	}
}

// pressures samples who waited for memory, storage and processors.
func (r *round) pressures() {
	const part = bulkheadv1.MachinePart_MACHINE_PART_PRESSURE
	r.now.pressure = make(map[string][]uint64)
	of := func(name string) *bulkheadv1.Pressure {
		data, ok := r.read(part, "pressure/"+name)
		if !ok {
			return nil
		}
		total, ok := parsePressure(data)
		if !ok {
			r.missing(part, unreadable, "/proc/pressure/"+name)
			return nil
		}
		r.now.pressure[name] = total
		before, ok := r.last.pressure[name]
		if !ok {
			return nil
		}
		p := pressure(before, total)
		if p == nil {
			r.missing(part, begunAnew, "/proc/pressure/"+name)
		}
		return p
	}
	r.out.MemoryPressure, r.out.IoPressure, r.out.CpuPressure = of("memory"), of("io"), of("cpu")
}

// limits samples limits of processor time.
func (r *round) limits() {
	const part = bulkheadv1.MachinePart_MACHINE_PART_PROCESSOR_LIMIT
	if len(r.groups) == 0 {
		r.missing(part, notShown, "")
		return
	}
	r.now.throttling = make(map[string][]uint64)
	for _, g := range r.groups {
		limit, ok := quotaOf(g)
		if !ok {
			continue
		}
		if len(r.out.ProcessorLimits) == maxLimits {
			r.missing(part, tooMany, "")
			return
		}
		wire := &bulkheadv1.ProcessorLimit{Group: clip(g.Path), QuotaNano: int64(limit.each),
			PeriodNano: int64(limit.period)}
		r.out.ProcessorLimits = append(r.out.ProcessorLimits, wire)
		counted, ok := readThrottling(g)
		if !ok {
			r.missing(part, unreadable, g.Path)
			continue
		}
		r.now.throttling[g.Folder] = counted
		if before, ok := r.last.throttling[g.Folder]; ok {
			if wire.Throttling = throttling(before, counted); wire.Throttling == nil {
				r.missing(part, begunAnew, g.Path)
			}
		}
	}
}
