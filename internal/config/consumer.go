package config

import (
	"fmt"
	"time"

	"bulkhead/internal/config/value"
	"bulkhead/internal/workload"
)

// OnError says what a consumer does when an operation fails.
type OnError string

// The policies of OnError.
const (
	// OnErrorContinue counts the error and continues after a pause.
	OnErrorContinue OnError = "continue"
	// OnErrorStop ends the consumer's work, in order.
	OnErrorStop OnError = "stop"
)

// Pattern is the order in which the chunks of a file are written.
type Pattern string

// The patterns.
const (
	PatternSequential Pattern = "sequential"
	// PatternRandom writes each chunk once, in an order that looks random.
	PatternRandom Pattern = "random"
	// PatternAppend is sequential with O_APPEND.
	PatternAppend Pattern = "append"
)

// Verify says when files are read back and compared.
type Verify string

// The times of Verify.
const (
	VerifyOff Verify = "off"
	// VerifyAtRollover reads each file when it is finished.
	VerifyAtRollover Verify = "at-rollover"
	// VerifyAtEnd reads all files that remain when the load has ended.
	VerifyAtEnd Verify = "at-end"
	// VerifyContinuous reads each file when it is finished, and again and again.
	VerifyContinuous Verify = "continuous"
)

// ReadOf says whose finished files readers read.
type ReadOf string

// The owners of ReadOf.
const (
	// ReadOfFinished reads the consumer's own.
	ReadOfFinished ReadOf = "finished"
	// ReadOfNeighbour reads those of other clients of the run that write to the same path.
	ReadOfNeighbour ReadOf = "neighbour"
)

// Consumer is what one consumer writes.
type Consumer struct {
	// ChunkSize is how much one write call writes; at most FileSize.Max.
	ChunkSize value.ChunkSize
	// FileSize is the exact size of a finished file.
	FileSize value.FileSize
	// Path is the folder that receives the files.
	Path string
	// Direct writes with O_DIRECT.
	Direct bool
	Sync   value.FileSync
	Rate   Rate
	Data   value.Data
	// Seed repeats the data of another run with the same seed and largest chunk; 0 is one of its own.
	Seed uint64
	// Preallocate has each file's space allocated before its first write.
	Preallocate bool
	Pattern     Pattern
	// Concurrency is how many writers there are, each with a file of its own.
	Concurrency int
	// StartDelay is the time before the first write, ThinkTime that between two chunks
	// of a writer.
	StartDelay, ThinkTime time.Duration
	// KeepFiles is how many finished files stay while running; 0 keeps all.
	KeepFiles int
	// Recycle writes over the oldest file where it would be removed.
	Recycle bool
	Verify  Verify
	Reserve value.Reserve
	// ReserveInodes is how many inodes are left free.
	ReserveInodes value.InodeReserve
	OnError       OnError
	// Readers is how many readers there are beside the writers, and Read what they do.
	Readers int
	Read    Read
}

// Read is how finished files are read beside the writing.
type Read struct {
	// Rate bounds it, for all readers of a consumer together.
	Rate    ReadRate
	Pattern Pattern
	// Size is how much one read call reads; 0 is the largest chunk.
	Size value.Size
	// Verify compares what was read with what was written.
	Verify bool
	// Of says whose files are read.
	Of ReadOf
}

// ReadRate bounds what the readers of one consumer read in a second; 0 is no bound.
type ReadRate struct {
	Bytes value.Size
	Ops   float64
}

// Rate bounds what one consumer writes in a second; 0 is no bound.
type Rate struct {
	Bytes  value.Size
	Chunks float64
}

// fields declares what can be set for all consumers and for each of them.
func (c *Consumer) fields() []field {
	return []field{
		chunkSizeField("chunk_size", &c.ChunkSize, value.MiB,
			"Bytes of one write call, or several sizes of which one is drawn for each; at most file_size."),
		fileSizeField("file_size", &c.FileSize, 64*value.MiB,
			"Exact size of a finished file, or the smallest and the largest of sizes drawn evenly."),
		textField("path", &c.Path, "bulkhead-data", value.CheckPath(value.CheckBytes(1, maxPath)), "a path",
			"Folder that receives the load files."),
		switchField("direct", &c.Direct, false, fmt.Sprintf("Write with O_DIRECT, past the page cache; chunks are "+
			"then multiples of %d B, or of what the file system asks for.", workload.DirectUnit)),
		fileSyncField("sync", &c.Sync, "When files are forced to storage: never (none), each at its end (file), "+
			"after each chunk (chunk), by opening them with O_DSYNC (dsync), or each time that so many bytes are "+
			"written (a size)."),
		sizeField("rate.bytes", &c.Rate.Bytes, 0, 0, workload.MaxRateBytes,
			"Most bytes a consumer writes in a second; 0 is no limit."),
		amountField("rate.chunks", &c.Rate.Chunks, 0, 0, workload.MaxRateChunks,
			"Most chunks a consumer writes in a second; 0 is no limit."),
		dataField("data", &c.Data, "What the chunks are filled with: nothing that compresses or repeats (random), "+
			"zeros, or a part in percent that compresses or repeats."),
		seedField("seed", &c.Seed,
			"Data of the same seed and the same largest chunk are the same; 0 is a seed of its own for each run."),
		switchField("preallocate", &c.Preallocate, false, "Allocate each file's space before its first write."),
		choiceField("pattern", &c.Pattern, PatternSequential, "Order in which the chunks of a file are written: from "+
			"the first to the last (sequential), each once in a random order (random), or from the first to the last "+
			"with O_APPEND (append).", PatternSequential, PatternRandom, PatternAppend),
		countField("concurrency", &c.Concurrency, 1, 1, workload.MaxWriters,
			fmt.Sprintf("Writers in a consumer, each with a file of its own; their chunks together take at most %s of "+
				"memory.", value.Size(workload.MaxChunkMemory))),
		durationField("start_delay", &c.StartDelay, 0, 0, workload.MaxStartDelay,
			"Time before a consumer's first write."),
		durationField("think_time", &c.ThinkTime, 0, 0, workload.MaxThinkTime, "Time between two chunks of a writer."),
		countField("keep_files", &c.KeepFiles, 2, 0, workload.MaxKeepFiles,
			"Finished files each consumer keeps while running; 0 keeps all."),
		switchField("recycle", &c.Recycle, false, "Write over the oldest file in place where it would be removed."),
		choiceField("verify", &c.Verify, VerifyOff, "When files are read back and compared: never (off), each when "+
			"it is finished (at-rollover), all that remain when the load has ended (at-end), or each when it is "+
			"finished and again and again (continuous).", VerifyOff, VerifyAtRollover, VerifyAtEnd, VerifyContinuous),
		reserveField("reserve", &c.Reserve, "Free space that is left on the file system: a size, a part of the file "+
			"system in percent, or the smaller of 5% and 1GiB (auto); 0 is none."),
		inodesField("reserve_inodes", &c.ReserveInodes, "Free inodes that are left on the file system: a number, a "+
			"part of those it has in percent, or the smaller of 5% and 10000 (auto); 0 is none. A file system that "+
			"makes them as it needs them, as btrfs does, has no such limit."),
		choiceField("on_error", &c.OnError, OnErrorContinue,
			"What a consumer does when writing fails: count the error and continue (continue), or end its work (stop).",
			OnErrorContinue, OnErrorStop),
		countField("readers", &c.Readers, 0, 0, workload.MaxReaders,
			fmt.Sprintf("Readers in a consumer, which read its finished files beside the writing; what all of them "+
				"read into takes at most %s of memory.", value.Size(workload.MaxReadMemory))),
		choiceField("read.of", &c.Read.Of, ReadOfFinished, "Whose finished files readers read: the consumer's own "+
			"(finished), or, on shared storage, those of other clients of the run below the same path, always "+
			"compared (neighbour); the consumer then tells others of its own.", ReadOfFinished, ReadOfNeighbour),
		sizeField("read.rate.bytes", &c.Read.Rate.Bytes, 0, 0, workload.MaxRateBytes,
			"Most bytes the readers of a consumer read in a second; 0 is no limit."),
		amountField("read.rate.ops", &c.Read.Rate.Ops, 0, 0, workload.MaxRateOps,
			"Most reads the readers of a consumer make in a second; 0 is no limit."),
		choiceField("read.pattern", &c.Read.Pattern, PatternSequential, "Order in which readers read: file after file "+
			"from the beginning to the end (sequential), or at random places of random files (random).",
			PatternSequential, PatternRandom),
		sizeField("read.size", &c.Read.Size, 0, 0, workload.MaxChunk,
			"Bytes of one read call; 0 is the size of the largest chunk."),
		switchField("read.verify", &c.Read.Verify, false, fmt.Sprintf("Compare what readers read with what was "+
			"written; read.size is then a multiple of %d B.", workload.VerifiedUnit)),
	}
}

// Consumers lists what each consumer writes: ConsumerCount of them, those
// without an entry of their own like Consumer.
func (c *Client) Consumers() []Consumer {
	consumers := make([]Consumer, c.ConsumerCount)
	for i := range consumers {
		consumers[i] = c.Consumer
		if i < len(c.Overrides) {
			consumers[i] = c.Overrides[i].over(c.Consumer)
		}
	}
	return consumers
}
