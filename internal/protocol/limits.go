package protocol

import (
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// The bounds of what a client says, in bytes or entries. The .proto files state each at its
// field, and Limits lists them.
const (
	ClientIDBytes   = 16
	MaxNameBytes    = 128
	MaxHostBytes    = 255
	MaxLabels       = 32
	MaxLabelBytes   = 128
	MaxTokenBytes   = 1024
	MaxConsumers    = 1024
	MaxEndBytes     = 1024
	MaxVersionBytes = 128
	// MaxPathBytes bounds every path, in a Hello and in a Message.
	MaxPathBytes = 4096
	// MaxTextBytes bounds every other text in a Message.
	MaxTextBytes = 4096
	// MaxRunBytes bounds the name of a run, whoever says it.
	MaxRunBytes = 128
	maxInstance = 32
	// MaxChunkSizes is the most chunk sizes of one consumer.
	MaxChunkSizes = 64
	// MaxStages is the most stages of a load, and MaxStageNameBytes bounds the name of each.
	MaxStages         = 64
	MaxStageNameBytes = 64
	// MaxShortened is the most fields that a Hello or a Message says were cut, and
	// MaxShortenedBytes bounds each.
	MaxShortened      = 16
	MaxShortenedBytes = 64
)

// The bounds of what an agent says, and of what it is told.
const (
	TaskIDBytes = 16
	// MaxAllowances is the most allowances that an agent shows.
	MaxAllowances = 32
	// MaxTaskReports is the most tasks that an AgentReport is about, and MaxTaskTextBytes bounds each
	// text about one.
	MaxTaskReports   = 16
	MaxTaskTextBytes = 1024
	// MaxLoadBytes bounds the load of a Task, and MaxJobBytes the name of its job.
	MaxLoadBytes = 256 << 10
	MaxJobBytes  = 128
)

// The bounds of a Machine.
const (
	MaxFileSystems     = 32
	MaxDevices         = 64
	MaxProcessorLimits = 8
	MaxInterfaces      = 8
	MaxMachineGaps     = 64
	// MaxDeviceNameBytes bounds what the kernel calls a device, an interface, or a type of file
	// system, MaxDeviceTitleBytes what people call a device, and MaxMachineTextBytes the rest.
	MaxDeviceNameBytes  = 64
	MaxDeviceTitleBytes = 128
	MaxMachineTextBytes = 255
)

const (
	// MaxFrameBytes is the largest frame that any configuration lets a client send.
	MaxFrameBytes = 8 << 20
	// DefaultFrameBytes, DefaultBatchMessages and DefaultUnackedBatches are the limits of a
	// Welcome that leaves them out, and of a supervisor that is told no others.
	DefaultFrameBytes     = 1 << 20
	DefaultBatchMessages  = 1024
	DefaultUnackedBatches = 64
	// MaxBatchMessages and MaxUnackedBatches are the largest of the other two that any
	// configuration sets.
	MaxBatchMessages  = 65_536
	MaxUnackedBatches = 65_536
	// MaxHandlerMessageBytes bounds a message between supervisor and handler: the largest
	// frame and its envelope.
	MaxHandlerMessageBytes = MaxFrameBytes + 1<<20
)

// The bounds of the numbers in messages. Beyond them a message is not used for the report:
// no real one gets there, and sums stay far from overflow.
const (
	// MaxAmountBits is the power of two that an amount is at most: bytes, chunks, counts.
	MaxAmountBits = 60
	// MaxYears bounds a duration, in years of 365 days; MaxDuration is that in nanoseconds.
	MaxYears    = 10
	MaxDuration = int64(MaxYears * 365 * 24 * time.Hour)
	// MaxTime is the last moment of a wall clock, in nanoseconds since 1970: in 2199.
	MaxTime = int64(230*365*24*time.Hour/1e9) * 1e9
	// MaxProcesses is the most processes of one client.
	MaxProcesses = 2048
)

// Beyond is what becomes of what is beyond a limit.
type Beyond uint8

const (
	// Refused: the Hello, for its field must not be cut.
	Refused Beyond = iota
	// Shortened: the first part is kept, and the field is named where it was.
	Shortened
	// Framed: there is no limit but that of the frame or of the Batch, which ends the
	// connection.
	Framed
)

// Limit is the bound of one field that may have any length.
type Limit struct {
	// Field is a text, bytes or a list.
	Field protoreflect.FullName
	// Most is its most bytes, or entries of a list; 0 for Framed.
	Most   int
	Beyond Beyond
}

// Limits returns the bounds of every field of any length that a client can send.
func Limits() []Limit {
	const p = "bulkhead.v1."
	return []Limit{
		{p + "Hello.client_id", ClientIDBytes, Refused},
		{p + "Hello.name", MaxNameBytes, Refused},
		{p + "Hello.host", MaxHostBytes, Shortened},
		{p + "Hello.labels", MaxLabels, Shortened},
		{p + "Hello.LabelsEntry.key", MaxLabelBytes, Shortened},
		{p + "Hello.LabelsEntry.value", MaxLabelBytes, Shortened},
		{p + "Hello.token", MaxTokenBytes, Refused},
		{p + "Hello.client_version", MaxVersionBytes, Shortened},
		{p + "Hello.last_end", MaxEndBytes, Shortened},
		{p + "Hello.run_id", MaxRunBytes, Refused},
		{p + "Hello.instance", maxInstance, Refused},
		{p + "Hello.shortened", MaxShortened, Shortened},
		{p + "Agent.name", MaxNameBytes, Refused},
		{p + "Agent.allowances", MaxAllowances, Refused},
		{p + "Allowance.path", MaxPathBytes, Refused},
		{p + "Continuation.run_id", MaxRunBytes, Refused},
		{p + "Continuation.client_id", ClientIDBytes, Refused},
		{p + "Workload.consumers", MaxConsumers, Shortened},
		{p + "Workload.stages", MaxStages, Shortened},
		{p + "Stage.name", MaxStageNameBytes, Shortened},
		{p + "ConsumerSpec.path", MaxPathBytes, Shortened},
		{p + "ConsumerSpec.path_bytes", MaxPathBytes, Shortened},
		{p + "ConsumerSpec.chunk_sizes", MaxChunkSizes, Shortened},
		{p + "Batch.messages", 0, Framed},
		{p + "Message.shortened", MaxShortened, Shortened},
		{p + "Stop.detail", MaxTextBytes, Shortened},
		{p + "Stop.exits", 0, Framed},
		{p + "ProcessExit.cause", MaxTextBytes, Shortened},
		{p + "Heartbeat.answers", 0, Framed},
		{p + "Heartbeat.misses", 0, Framed},
		{p + "HeartbeatMiss.reason", MaxTextBytes, Shortened},
		{p + "Rollover.path", MaxPathBytes, Shortened},
		{p + "Rollover.path_bytes", MaxPathBytes, Shortened},
		{p + "MonitorError.reason", MaxTextBytes, Shortened},
		{p + "Progress.last_error", MaxTextBytes, Shortened},
		{p + "Histogram.value_delta", 0, Framed},
		{p + "Histogram.count", 0, Framed},
		{p + "Corruption.path", MaxPathBytes, Shortened},
		{p + "Corruption.path_bytes", MaxPathBytes, Shortened},
		{p + "Corruption.expected", MaxTextBytes, Shortened},
		{p + "Corruption.found", MaxTextBytes, Shortened},
		{p + "Corruption.owner_id", ClientIDBytes, Shortened},
		{p + "Corruption.owner_name", MaxNameBytes, Shortened},
		{p + "Corruption.owner_host", MaxHostBytes, Shortened},
		{p + "Machine.file_systems", MaxFileSystems, Shortened},
		{p + "Machine.devices", MaxDevices, Shortened},
		{p + "Machine.processor_limits", MaxProcessorLimits, Shortened},
		{p + "Machine.interfaces", MaxInterfaces, Shortened},
		{p + "Machine.gaps", MaxMachineGaps, Shortened},
		{p + "FileSystem.path", MaxPathBytes, Shortened},
		{p + "FileSystem.path_bytes", MaxPathBytes, Shortened},
		{p + "FileSystem.type", MaxDeviceNameBytes, Shortened},
		{p + "FileSystem.source", MaxMachineTextBytes, Shortened},
		{p + "FileSystem.devices", MaxDevices, Shortened},
		{p + "DeviceName.name", MaxDeviceNameBytes, Shortened},
		{p + "Device.name", MaxDeviceNameBytes, Shortened},
		{p + "Device.title", MaxDeviceTitleBytes, Shortened},
		{p + "ProcessorLimit.group", MaxMachineTextBytes, Shortened},
		{p + "NetworkInterface.name", MaxDeviceNameBytes, Shortened},
		{p + "MachineGap.about", MaxMachineTextBytes, Shortened},
	}
}
