package spec

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/plural"
	"bulkhead/internal/protocol"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Words returns what a consumer writes, in one line for a person.
func Words(c workload.Consumer) string {
	parts := []string{chunkWords(c), fileWords(c), protocol.Word(c.Pattern)}
	if c.Direct {
		parts = append(parts, "O_DIRECT")
	}
	parts = append(parts, syncWords(c), dataWords(c))
	if c.Concurrency > 1 {
		parts = append(parts, plural.Of(c.Concurrency, "writer"))
	}
	if c.RateBytes > 0 {
		parts = append(parts, "at most "+human.BriefRate(float64(c.RateBytes)))
	}
	if c.RateChunks > 0 {
		parts = append(parts, fmt.Sprintf("at most %g chunks/s", c.RateChunks))
	}
	if c.ThinkTime > 0 {
		parts = append(parts, "thinks "+c.ThinkTime.String())
	}
	if c.Preallocate {
		parts = append(parts, "preallocated")
	}
	if c.Verify > bulkheadv1.VerifyMode_VERIFY_MODE_OFF {
		parts = append(parts, map[bulkheadv1.VerifyMode]string{
			bulkheadv1.VerifyMode_VERIFY_MODE_ROLLOVER:   "verified at rollover",
			bulkheadv1.VerifyMode_VERIFY_MODE_END:        "verified at the end",
			bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS: "verified continuously",
		}[c.Verify])
	}
	parts = append(parts, keepWords(c))
	if c.Readers > 0 {
		parts = append(parts, readWords(c))
	}
	if c.Read.Neighbours() {
		parts = append(parts, "others are told which files are finished")
	}
	return strings.Join(parts, ", ")
}

// StageWords returns what each stage of a load is, in one line for a person.
func StageWords(stages workload.Stages) []string {
	var out []string
	for _, s := range stages {
		parts := []string{}
		switch {
		case s.TotalBytes > 0 && s.Duration > 0:
			parts = append(parts, fmt.Sprintf("%s or %s", human.BriefSize(s.TotalBytes), s.Duration))
		case s.TotalBytes > 0:
			parts = append(parts, human.BriefSize(s.TotalBytes))
		default:
			parts = append(parts, s.Duration.String())
		}
		if s.RatePercent > 0 {
			parts = append(parts, fmt.Sprintf("%s %% of %s", human.ExactNumber(s.RatePercent),
				stages[s.RateOf-1].Name))
		}
		if s.RateBytes > 0 {
			parts = append(parts, "at most "+human.BriefRate(float64(s.RateBytes)))
		}
		if s.RateChunks > 0 {
			parts = append(parts, fmt.Sprintf("at most %g chunks/s", s.RateChunks))
		}
		if s.Concurrency > 0 {
			parts = append(parts, plural.Of(s.Concurrency, "writer"))
		}
		if s.Sync != bulkheadv1.SyncPolicy_SYNC_POLICY_UNSPECIFIED {
			parts = append(parts, syncWords(workload.Consumer{Sync: s.Sync, SyncBytes: s.SyncBytes}))
		}
		if s.Pause > 0 {
			parts = append(parts, "after a pause of "+s.Pause.String())
		}
		if s.Together {
			parts = append(parts, fmt.Sprintf("when all clients have come to it, which it waits for for %s at most",
				s.TogetherTimeout))
		}
		if s.Unreported {
			parts = append(parts, "not reported")
		}
		out = append(out, s.Name+": "+strings.Join(parts, ", "))
	}
	return out
}

// readWords returns what a consumer reads beside the writing.
func readWords(c workload.Consumer) string {
	text := plural.Of(c.Readers, "reader") + " of " + human.BriefSize(c.ReadSize())
	if c.Read.Pattern == bulkheadv1.Pattern_PATTERN_RANDOM {
		text += " at random"
	}
	if c.Read.RateBytes > 0 {
		text += ", at most " + human.BriefRate(float64(c.Read.RateBytes))
	}
	if c.Read.RateOps > 0 {
		text += fmt.Sprintf(", at most %g reads/s", c.Read.RateOps)
	}
	if c.Read.Compares() {
		text += ", verified"
	}
	if c.Read.Neighbours() {
		text += ", of other clients' files"
	}
	return text
}

func chunkWords(c workload.Consumer) string {
	if len(c.ChunkSizes) < 2 {
		return "chunks of " + human.BriefSize(c.ChunkSize)
	}
	var sizes []string
	for _, one := range c.ChunkSizes {
		sizes = append(sizes, fmt.Sprintf("%s:%d", human.BriefSize(one.Bytes), one.Weight))
	}
	return "chunks of " + strings.Join(sizes, " ")
}

func fileWords(c workload.Consumer) string {
	if least := c.SmallestFile(); least < c.FileSize {
		return fmt.Sprintf("files of %s to %s", human.BriefSize(least), human.BriefSize(c.FileSize))
	}
	return "files of " + human.BriefSize(c.FileSize)
}

func syncWords(c workload.Consumer) string {
	switch c.Sync {
	case bulkheadv1.SyncPolicy_SYNC_POLICY_FILE:
		return "fsync per file"
	case bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK:
		return "fdatasync per chunk"
	case bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES:
		return "fdatasync every " + human.BriefSize(c.SyncBytes)
	case bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC:
		return "O_DSYNC"
	default:
		return "no sync"
	}
}

func dataWords(c workload.Consumer) string {
	switch c.Data {
	case bulkheadv1.DataKind_DATA_KIND_ZEROS:
		return "zeros"
	case bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE:
		return fmt.Sprintf("data compressible by %d %%", c.DataPercent)
	case bulkheadv1.DataKind_DATA_KIND_DEDUPABLE:
		return fmt.Sprintf("data dedupable by %d %%", c.DataPercent)
	default:
		return "random data"
	}
}

func keepWords(c workload.Consumer) string {
	switch {
	case c.KeepFiles == 0:
		return "all files kept while running"
	case c.Recycle:
		return plural.Of(c.KeepFiles, "file") + " kept, the oldest written over"
	default:
		return plural.Of(c.KeepFiles, "file") + " kept, the oldest removed"
	}
}
