package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bulkhead/client/block"
)

// client is what a client has left in a folder.
type client struct {
	t      *testing.T
	path   string // that was configured
	owner  block.Owner
	source *block.Source
	data   block.Data
}

func newClient(t *testing.T, path string, data block.Data) *client {
	t.Helper()
	s, err := block.NewSources(data, 7, 1<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	owner := block.Owner{Run: block.RunOf("20261124T032209Z-1a2b3c"), Client: [16]byte{0x1f, 0x2e, 0x3d, 0x4c, 15: 9},
		Consumer: 2}
	return &client{t, path, owner, s.Source(0), data}
}

// folder returns the folder of the consumer.
func (c *client) folder() string {
	return filepath.Join(c.path, "bulkhead-test-"+fmt.Sprintf("%x", c.owner.Client[:4]),
		fmt.Sprintf("consumer-%d", c.owner.Consumer))
}

func (c *client) file(number uint64) string {
	return filepath.Join(c.folder(), fmt.Sprintf("load-%08d.dat", number))
}

func (c *client) identity(number uint64, generation uint32, size uint64) block.File {
	return block.File{Owner: c.owner, Data: c.data, Number: number, Generation: generation, Size: size}
}

// content returns what a file holds.
func (c *client) content(number uint64, generation uint32, size uint64) []byte {
	c.t.Helper()
	if err := c.source.Begin(c.identity(number, generation, size)); err != nil {
		c.t.Fatal(err)
	}
	var data []byte
	for at := uint64(0); at < size; at += 1 << 20 {
		data = append(data, c.source.Chunk(at, int(min(1<<20, size-at)))...)
	}
	return data
}

// write writes a whole file.
func (c *client) write(number uint64, generation uint32, size uint64) {
	c.t.Helper()
	if err := os.MkdirAll(c.folder(), 0o700); err != nil {
		c.t.Fatal(err)
	}
	c.put(c.file(number), 0, c.content(number, generation, size))
}

// put writes data into a file at offset, and forces them to storage.
func (c *client) put(path string, offset int64, data []byte) {
	c.t.Helper()
	put(c.t, path, offset, data)
}

func put(t *testing.T, path string, offset int64, data []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(data, offset); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// flip changes one bit of a file.
func flip(t *testing.T, path string, offset int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var one [1]byte
	if _, err := f.ReadAt(one[:], offset); err != nil {
		t.Fatal(err)
	}
	put(t, path, offset, []byte{one[0] ^ 4})
}

// memoryFolder returns an empty folder on a file system in memory.
func memoryFolder(t *testing.T) string {
	t.Helper()
	path, err := os.MkdirTemp("/dev/shm", "bulkhead-verify-")
	if err != nil {
		t.Skipf("no file system in memory: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(path); err != nil {
			t.Error(err)
		}
	})
	return path
}
