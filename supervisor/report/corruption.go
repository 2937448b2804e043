package report

// Corruption is a run of blocks that did not read back as they were written.
type Corruption struct {
	// Process is the consumer that found it: "consumer 0".
	Process string `json:"process"`
	// FoundAt is when, on the client's clock.
	FoundAt   Stamp  `json:"found_at"`
	Path      string `json:"path"`
	FileIndex uint64 `json:"file_index"`
	// OffsetBytes is where in the file it begins.
	OffsetBytes uint64 `json:"offset_bytes"`
	LengthBytes uint64 `json:"length_bytes"`
	// Kind is one of the Corrupt… constants.
	Kind string `json:"kind"`
	// Expected is what should be there, and Found what is, in words.
	Expected string `json:"expected"`
	Found    string `json:"found"`
	// Owner is whose file it is, if it is another client's than that which read it; absent if its own.
	Owner *FileOwner `json:"owner,omitempty"`
}

// FileOwner is the client whose file another one read, as the record beside the file says, and where the
// two ran.
type FileOwner struct {
	// ID is the client's id in hex.
	ID   string `json:"id"`
	Name string `json:"name"`
	Host string `json:"host"`
	// ReaderHost is the host of the client that read it.
	ReaderHost string `json:"reader_host"`
}

// Kinds of a Corruption.
const (
	CorruptLost       = "lost"
	CorruptTorn       = "torn"
	CorruptStale      = "stale"
	CorruptMisplaced  = "misplaced"
	CorruptFlipped    = "flipped"
	CorruptTruncated  = "truncated"
	CorruptUnreadable = "unreadable"
	CorruptUnknown    = "unknown"
)
