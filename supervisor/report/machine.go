package report

// Bounds of what is kept of a client's machine.
const (
	// MaxMachineItems is the most file systems, devices, interfaces and limits of one client, of
	// each, and MaxMachineGaps the most gaps.
	MaxMachineItems = 64
	MaxMachineGaps  = 64
)

// Where a finding about a machine begins.
const (
	// DeviceBusy is the share of time in which a saturated device has something to do.
	DeviceBusy = 0.95
	// NetworkFull is the share of its speed that passes a full interface, one way.
	NetworkFull = 0.9
	// OverNano is how long without a break something is over its threshold, and OverShare in which
	// share of the sampled time, for a finding: either will do.
	OverNano  = int64(10e9)
	OverShare = 0.5
)

// Over reports whether a spell is long enough, of the time that was sampled, to be a finding.
func (s *Spell) Over(sampled int64) bool {
	return s.LongestOverNano >= OverNano || sampled >= leastSampled && float64(s.OverNano) >= OverShare*float64(sampled)
}

// leastSampled is the least time of which a share says something.
const leastSampled = int64(3e9)

// Machine is what the machine of a client did, from its monitor's samples. Times that are compared
// with SampledNano are of the time that it covers.
type Machine struct {
	// System is the same for all clients of one running system, in hexadecimal; "" if not told.
	System      string             `json:"system"`
	Samples     uint64             `json:"samples"`
	FileSystems []FileSystem       `json:"file_systems"`
	Devices     []Device           `json:"devices"`
	Memory      *Memory            `json:"memory"`
	Pressures   []Pressure         `json:"pressures"`
	Limits      []ProcessorLimit   `json:"processor_limits"`
	Interfaces  []NetworkInterface `json:"interfaces"`
	// Gaps are what was not told, and why.
	Gaps []MachineGap `json:"gaps"`
	// LeftOut are items and gaps of samples for which there was no room.
	LeftOut uint64 `json:"left_out"`
}

// FileSystem is one that consumers write to. Sizes are 0 if they were never told.
type FileSystem struct {
	Path      string   `json:"path"`
	Type      string   `json:"type"`
	Source    string   `json:"source"`
	Consumers uint32   `json:"consumers"`
	Devices   []string `json:"devices"`
	SizeBytes uint64   `json:"size_bytes"`
	// FreeBytes and FreeInodes are those of the last sample, for who is not root.
	FreeBytes       uint64 `json:"free_bytes"`
	LeastFreeBytes  uint64 `json:"least_free_bytes"`
	Inodes          uint64 `json:"inodes"`
	FreeInodes      uint64 `json:"free_inodes"`
	LeastFreeInodes uint64 `json:"least_free_inodes"`
	// LongestSilentNano is for how long it did not answer at most.
	LongestSilentNano int64 `json:"longest_silent_nano"`
	// NFS is null for others.
	NFS *NFS `json:"nfs"`
}

// NFS is what a mount of NFS did.
type NFS struct {
	SampledNano  int64    `json:"sampled_nano"`
	ReadBytes    uint64   `json:"read_bytes"`
	WrittenBytes uint64   `json:"written_bytes"`
	Reconnects   uint64   `json:"reconnects"`
	Reads        NFSCalls `json:"reads"`
	Writes       NFSCalls `json:"writes"`
	Others       NFSCalls `json:"others"`
}

// NFSCalls are calls of one kind. Times are means of a call; 0 without calls.
type NFSCalls struct {
	Calls           uint64 `json:"calls"`
	Retransmissions uint64 `json:"retransmissions"`
	Timeouts        uint64 `json:"timeouts"`
	Errors          uint64 `json:"errors"`
	QueuedNano      int64  `json:"queued_nano"`
	RTTNano         int64  `json:"rtt_nano"`
	TotalNano       int64  `json:"total_nano"`
}

// Kinds of a Device.
const (
	DeviceDisk    = "disk"
	DeviceMapping = "mapping"
	DeviceArray   = "array"
	DeviceLoop    = "loop"
	DeviceMemory  = "memory"
	DeviceUnknown = "unknown"
)

// Device is a block device behind the consumers' folders, or below another one of them.
type Device struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// Kind is one of the Device… constants.
	Kind        string `json:"kind"`
	Below       bool   `json:"below"`
	SampledNano int64  `json:"sampled_nano"`
	BusyNano    int64  `json:"busy_nano"`
	Reads       uint64 `json:"reads"`
	Writes      uint64 `json:"writes"`
	// ReadBytes and WrittenBytes are those of everybody who used it.
	ReadBytes    uint64 `json:"read_bytes"`
	WrittenBytes uint64 `json:"written_bytes"`
	// ReadAwaitNano and WriteAwaitNano are how long a request took on average, queue included.
	ReadAwaitNano  int64 `json:"read_await_nano"`
	WriteAwaitNano int64 `json:"write_await_nano"`
	// MeanQueue is how many requests were in flight on average.
	MeanQueue float64 `json:"mean_queue"`
	Spell
}

// Spell is for how long something was over its threshold.
type Spell struct {
	OverNano int64 `json:"over_nano"`
	// LongestOverNano is the longest time without a sample below.
	LongestOverNano int64 `json:"longest_over_nano"`
}

// Memory is the memory of the machine; Spell is for how long the system slowed down whoever wrote,
// because more was dirty than half way between the two limits.
type Memory struct {
	SampledNano          int64  `json:"sampled_nano"`
	TotalBytes           uint64 `json:"total_bytes"`
	LeastAvailableBytes  uint64 `json:"least_available_bytes"`
	MaxDirtyBytes        uint64 `json:"max_dirty_bytes"`
	MaxWritebackBytes    uint64 `json:"max_writeback_bytes"`
	BackgroundLimitBytes uint64 `json:"background_limit_bytes"`
	DirtyLimitBytes      uint64 `json:"dirty_limit_bytes"`
	Spell
}

// Resources that can be under pressure.
const (
	PressureMemory = "memory"
	PressureIO     = "io"
	PressureCPU    = "cpu"
)

// Pressure is how long some, and all, who wanted to run waited for a resource.
type Pressure struct {
	// Resource is one of the Pressure… constants.
	Resource    string `json:"resource"`
	SampledNano int64  `json:"sampled_nano"`
	SomeNano    int64  `json:"some_nano"`
	FullNano    int64  `json:"full_nano"`
}

// ProcessorLimit is a control group's limit of processor time.
type ProcessorLimit struct {
	Group            string `json:"group"`
	QuotaNano        int64  `json:"quota_nano"`
	PeriodNano       int64  `json:"period_nano"`
	Periods          uint64 `json:"periods"`
	ThrottledPeriods uint64 `json:"throttled_periods"`
	// ThrottledNano is summed over the processors.
	ThrottledNano int64 `json:"throttled_nano"`
}

// NetworkInterface is one that the client used; Spell is for how long it was full, one way.
type NetworkInterface struct {
	Name         string `json:"name"`
	ToSupervisor bool   `json:"to_supervisor"`
	ToStorage    bool   `json:"to_storage"`
	Loopback     bool   `json:"loopback"`
	// BitsPerSecond is 0 if it has no speed.
	BitsPerSecond uint64 `json:"bits_per_second"`
	SampledNano   int64  `json:"sampled_nano"`
	ReceivedBytes uint64 `json:"received_bytes"`
	SentBytes     uint64 `json:"sent_bytes"`
	// MaxPerSecond is the most bytes per second between two samples, one way.
	MaxPerSecond uint64 `json:"max_per_second"`
	Errors       uint64 `json:"errors"`
	Dropped      uint64 `json:"dropped"`
	Spell
}

// MachineGap is something that was not told.
type MachineGap struct {
	// Part is a part of the machine, and Reason why it was not told, as message.proto names them.
	Part   string `json:"part"`
	Reason string `json:"reason"`
	About  string `json:"about"`
	Count  uint64 `json:"count"`
}

// MachineSeries is the machine of one client over time; every list has Series.ClientIntervals
// entries. A share is -1 where it was not sampled.
type MachineSeries struct {
	Devices    []DeviceSeries    `json:"devices"`
	Interfaces []InterfaceSeries `json:"interfaces"`
	// DirtyBytes is the most that was dirty or being written back; empty if it was never told.
	DirtyBytes []uint64 `json:"dirty_bytes"`
	// MemoryPressure is the share of time in which somebody waited for memory, Throttled that of
	// periods in which a limit stopped the client's group; empty if never told.
	MemoryPressure []float32 `json:"memory_pressure"`
	Throttled      []float32 `json:"throttled"`
}

// DeviceSeries is one device over time.
type DeviceSeries struct {
	Name string `json:"name"`
	// Busy is a share of time, Queue how many requests were in flight.
	Busy         []float32 `json:"busy"`
	Queue        []float32 `json:"queue"`
	ReadBytes    []uint64  `json:"read_bytes"`
	WrittenBytes []uint64  `json:"written_bytes"`
}

// InterfaceSeries is one network interface over time.
type InterfaceSeries struct {
	Name          string   `json:"name"`
	ReceivedBytes []uint64 `json:"received_bytes"`
	SentBytes     []uint64 `json:"sent_bytes"`
}
