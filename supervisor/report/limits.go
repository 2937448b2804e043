package report

import "bulkhead/internal/protocol"

// Bounds of what one client can make the report hold.
const (
	// MaxProcesses is the most processes of one client: more than the most
	// consumers a client can be configured to start.
	MaxProcesses = protocol.MaxProcesses
	// MaxRollovers is the most rollovers of one client that are listed, the
	// newest; all are counted.
	MaxRollovers = 10_000
	// MaxCorruptions is the most corruptions of one client that are listed, the first
	// ones, and as many as one consumer says; all are counted.
	MaxCorruptions = 1000
	// MaxConnections is the most connections of one client that are listed, the
	// newest; all are counted.
	MaxConnections = 1000
	// MaxMissReasons is the most distinct reasons kept for the missed heartbeats
	// of one process; the others are counted together.
	MaxMissReasons = 16
	// MaxChunkSizes is the most chunk sizes of one consumer that are kept.
	MaxChunkSizes = 16
	// MaxLabels is the most labels of one client that are kept.
	MaxLabels = 32
	// MaxShortened is the most fields of one client that are named because they were cut.
	MaxShortened = 16
	// MaxBatchMessages is the most messages one batch is believed to hold.
	MaxBatchMessages = 1 << 20
)

// Bounds of what one run can make the report hold beside its clients.
const (
	// MaxFineBuckets is the most histogram buckets of full precision of all clients,
	// about 40 MB, and MaxCompactBuckets the most compact ones, about as much. Each client
	// has an equal share.
	MaxFineBuckets    = 1 << 20
	MaxCompactBuckets = 6 << 20
	// MaxRunRollovers is the most rollovers listed of all clients, as equal shares.
	MaxRunRollovers = 20_000
	// MaxRunCorruptions is the most corruptions listed of all clients, as equal shares.
	MaxRunCorruptions = 20_000

	// MaxDeclaredBytes is about the most bytes of what all clients declare in their Hellos, labels
	// and consumers, as equal shares.
	MaxDeclaredBytes = 64 << 20

	MaxHandlers   = 10_000
	MaxRejections = 10_000
	// MaxRefused is the most distinct pairs of client name and reason among the
	// rejected clients; the others are counted together.
	MaxRefused = 1000
	// MaxRejectionReasons is the most reasons of rejected connections that gave no name,
	// and MaxRejectionAddresses the most addresses told apart in one group.
	MaxRejectionReasons   = 100
	MaxRejectionAddresses = 1000
	MaxViolations         = 100
	MaxRestarts           = 1000
	// MaxShedReasons is the most reasons of shed connections, the last of them for all
	// that have no place of their own.
	MaxShedReasons = 100
)

// MaxNames bounds the names of the clients that are expected.
const MaxNames = 10_000

// Bounds of numbers that a client sends, as message.proto states them. Beyond them a message
// is malformed.
const (
	MaxAmount   = 1 << protocol.MaxAmountBits
	MaxDuration = protocol.MaxDuration
	MaxTime     = protocol.MaxTime
)
