package report

import "bulkhead/internal/hello"

// Bounds of what one client can make the report hold.
const (
	// maxProcesses is the most processes of one client: more than the most
	// consumers a client can be configured to start.
	maxProcesses = hello.MaxProcesses
	// maxRollovers is the most rollovers of one client that are listed, the
	// newest; all are counted.
	maxRollovers = 10_000
	// maxCorruptions is the most corruptions of one client that are listed, the first
	// ones, and as many as one consumer says; all are counted.
	maxCorruptions = 1000
	// maxConnections is the most connections of one client that are listed, the
	// newest; all are counted.
	maxConnections = 1000
	// maxMissReasons is the most distinct reasons kept for the missed heartbeats
	// of one process; the others are counted together.
	maxMissReasons = 16
	// maxChunkSizes is the most chunk sizes of one consumer that are kept.
	maxChunkSizes = 16
	// maxLabels is the most labels of one client that are kept.
	maxLabels = 32
	// maxShortened is the most fields of one client that are named because they were cut.
	maxShortened = 16
	// maxBatchMessages is the most messages one batch is believed to hold.
	maxBatchMessages = 1 << 20
)

// Bounds of what one run can make the report hold beside its clients.
const (
	// maxFineBuckets is the most histogram buckets of full precision of all clients,
	// about 40 MB, and maxCompactBuckets the most compact ones, about as much. Each client
	// has an equal share.
	maxFineBuckets    = 1 << 20
	maxCompactBuckets = 6 << 20
	// maxRunRollovers is the most rollovers listed of all clients, as equal shares.
	maxRunRollovers = 20_000
	// maxRunCorruptions is the most corruptions listed of all clients, as equal shares.
	maxRunCorruptions = 20_000

	maxHandlers   = 10_000
	maxRejections = 10_000
	// maxRefused is the most distinct pairs of client name and reason among the
	// rejected clients; the others are counted together.
	maxRefused = 1000
	// maxRejectionReasons is the most reasons of rejected connections that gave no name,
	// and maxRejectionAddresses the most addresses told apart in one group.
	maxRejectionReasons   = 100
	maxRejectionAddresses = 1000
	maxViolations         = 100
	maxRestarts           = 1000
	// maxShedReasons is the most reasons of shed connections, the last of them for all
	// that have no place of their own.
	maxShedReasons = 100
)

// Bounds of texts, in bytes after cleaning.
const (
	maxName = 128
	// maxNames bounds the names of the clients that are expected.
	maxNames = 10_000
	maxText  = 512
	// maxLines is the most lines of a text that may have several.
	maxLines = 32
)

// Bounds of numbers that a client sends, as message.proto states them. Beyond them a message
// is malformed.
const (
	maxAmount   = 1 << hello.MaxAmountBits
	maxDuration = hello.MaxDuration
	maxTime     = hello.MaxTime
)

// saneTime says whether t can be the wall clock of a client.
func saneTime(t int64) bool { return t > 0 && t <= maxTime }

// saneDurations says whether every d can be a measured duration.
func saneDurations(list ...int64) bool {
	for _, d := range list {
		if d < 0 || d > maxDuration {
			return false
		}
	}
	return true
}

// saneAmounts says whether every n can be a measured amount.
func saneAmounts(list ...uint64) bool {
	for _, n := range list {
		if n > maxAmount {
			return false
		}
	}
	return true
}
