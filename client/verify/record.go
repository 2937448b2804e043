package verify

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"bulkhead/client/names"
)

const (
	// recordMaxBytes bounds what is read of a client's record.
	recordMaxBytes = 64 << 10
	// maxWriters is the most writers of a consumer that are believed of it.
	maxWriters = 1024
)

// record is what a client's record is used for; there is more in it.
type record struct {
	ClientID string `json:"client_id"`
	Writers  int    `json:"writers"`
}

// recorded adds to the hints what the record in the folder says, if there is one that
// can be read.
func (h hints) recorded(folder *os.File) hints {
	fd, err := openat(int(folder.Fd()), names.Record, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC)
	if err != nil {
		return h
	}
	f := os.NewFile(uintptr(fd), names.Record)
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, recordMaxBytes))
	if err != nil {
		return h
	}
	return h.saying(text)
}

// saying adds to the hints what the text of a record says.
func (h hints) saying(text []byte) hints {
	var r record
	if json.Unmarshal(text, &r) != nil {
		return h
	}
	if id, err := hex.DecodeString(r.ClientID); err == nil && len(id) == 16 &&
		string(id[:len(h.client)]) == string(h.client) {
		h.client = id
	}
	if r.Writers >= 1 && r.Writers <= maxWriters {
		h.writers = r.Writers
	}
	return h
}
