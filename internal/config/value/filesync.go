package value

import (
	"errors"
	"fmt"
	"strings"

	"bulkhead/internal/spelling"
)

// FileSync says when a consumer forces its files to storage.
type FileSync struct {
	Policy SyncPolicy
	// Every is how many bytes are written between two syncs; only with SyncBytes.
	Every Size
}

// SyncPolicy is a kind of FileSync.
type SyncPolicy string

// The policies of FileSync.
const (
	// SyncNone leaves it to the system.
	SyncNone SyncPolicy = "none"
	// SyncFile forces each file to storage once, at its end, by fsync(2).
	SyncFile SyncPolicy = "file"
	// SyncChunk forces each chunk, by fdatasync(2), and the file at its end.
	SyncChunk SyncPolicy = "chunk"
	// SyncBytes does that each time that FileSync.Every bytes are written.
	SyncBytes SyncPolicy = "bytes"
	// SyncDSync opens files with O_DSYNC, so that each write waits for storage.
	SyncDSync SyncPolicy = "dsync"
)

// ValidSync says what a FileSync can be, in words.
const ValidSync = "none, file, chunk, dsync or a size, as in 16MiB"

// String returns s as it is written in a configuration.
func (s FileSync) String() string {
	if s.Policy == SyncBytes {
		return s.Every.String()
	}
	return string(s.Policy)
}

// ParseFileSync reads a policy, by its name or by one that other tools use for it.
func ParseFileSync(text string) (FileSync, error) {
	switch text {
	case "none":
		return FileSync{Policy: SyncNone}, nil
	case "file", "fsync-per-file":
		return FileSync{Policy: SyncFile}, nil
	case "chunk", "fdatasync-per-chunk":
		return FileSync{Policy: SyncChunk}, nil
	case "dsync", "O_DSYNC":
		return FileSync{Policy: SyncDSync}, nil
	}
	size := strings.TrimPrefix(text, "every ")
	if size == "" || size[0] < '0' || size[0] > '9' {
		meant := spelling.Meant(text, []string{string(SyncNone), string(SyncFile), string(SyncChunk),
			string(SyncDSync)})
		return FileSync{}, fmt.Errorf("%s is not valid; %suse %s", Quote(text), meant, ValidSync)
	}
	every, err := ParseSize(size)
	switch {
	case err != nil:
		return FileSync{}, err
	case every == 0:
		return FileSync{}, errors.New(
			"cannot sync every 0 bytes; use chunk to sync after each chunk, or none")
	case every > MaxFileSize:
		return FileSync{}, fmt.Errorf("%s is out of range; use %s to %s", Quote(text), Size(1), MaxFileSize)
	}
	return FileSync{Policy: SyncBytes, Every: every}, nil
}
