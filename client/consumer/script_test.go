package consumer

import (
	"cmp"
	"errors"
	"math"
	"os"
	"sync"
	"time"

	"bulkhead/client/consumer/disk"
	"bulkhead/client/verify"
)

// newConsumer returns a Consumer that writes to d and naps by the clock of its bubble.
func newConsumer(o Options, d disk.Disk) *Consumer {
	c := New(o)
	c.open = func(string) (disk.Disk, error) { return d, nil }
	c.nap, c.crowded = time.Sleep, func() bool { return false }
	return c
}

// call is one call of the writers into the file system.
type call struct {
	op     string // the name of the method of disk or file
	path   string
	size   int    // bytes offered, of a write
	offset uint64 // of a write
	mode   disk.Mode
	at     time.Time
}

// scriptedDisk is a file system in memory that does what its script says.
type scriptedDisk struct {
	// script answers a call; nil, or an answer of zero, lets it succeed in full.
	// It may block. took is only of use to writes: bytes taken if above 0.
	script func(c call) (took int, err error)

	mu      sync.Mutex
	calls   []call         // guarded by mu
	files   map[string]int // sizes of the files there are; guarded by mu
	maximum int            // most files there ever were; guarded by mu
}

func newScriptedDisk(script func(c call) (int, error)) *scriptedDisk {
	return &scriptedDisk{script: script, files: make(map[string]int)}
}

// do notes a call and plays the script.
func (d *scriptedDisk) do(c call) (int, error) {
	c.at = time.Now()
	d.mu.Lock()
	d.calls = append(d.calls, c)
	d.mu.Unlock()
	if d.script == nil {
		return c.size, nil
	}
	took, err := d.script(c)
	if took == 0 && err == nil {
		took = c.size
	}
	return max(took, 0), err
}

func (d *scriptedDisk) Create(path string, mode disk.Mode) (disk.File, error) {
	if _, err := d.do(call{op: "create", path: path, mode: mode}); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, there := d.files[path]; there {
		return nil, os.ErrExist
	}
	d.files[path] = 0
	d.maximum = max(d.maximum, len(d.files))
	return &scriptedFile{disk: d, path: path}, nil
}

func (d *scriptedDisk) Reopen(path string, mode disk.Mode) (disk.File, error) {
	if _, err := d.do(call{op: "reopen", path: path, mode: mode}); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, there := d.files[path]; !there {
		return nil, os.ErrNotExist
	}
	return &scriptedFile{disk: d, path: path}, nil
}

// Free answers with the bytes that the script takes; without one there is room.
func (d *scriptedDisk) Free() (disk.Space, error) {
	n, err := d.do(call{op: "free", size: 1 << 40})
	return disk.Space{Bytes: uint64(n), Inodes: math.MaxUint64}, err
}

// DirectUnit answers with the bytes that the script takes, too.
func (d *scriptedDisk) DirectUnit() (int, error) { return d.do(call{op: "directUnit", size: 512}) }

func (d *scriptedDisk) CanAllocate() error {
	_, err := d.do(call{op: "canAllocate"})
	return err
}

// ReadBack always fails: there is nothing to be read in these files.
func (d *scriptedDisk) ReadBack(path string) (*verify.File, error) {
	_, err := d.do(call{op: "readBack", path: path})
	return nil, cmp.Or(err, errors.New("a scripted file cannot be read back"))
}

// Read opens a file of which each byte reads as zero.
func (d *scriptedDisk) Read(path string, direct bool) (disk.Reading, error) {
	if _, err := d.do(call{op: "openRead", path: path, mode: disk.Mode{Direct: direct}}); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, there := d.files[path]; !there {
		return nil, os.ErrNotExist
	}
	return &scriptedReading{scriptedFile{disk: d, path: path}}, nil
}

func (d *scriptedDisk) Note(path string, at int64, data []byte) error {
	_, err := d.do(call{op: "note", path: path, size: len(data), offset: uint64(at)})
	return err
}

// Site always fails: nobody is beside a scripted disk.
func (d *scriptedDisk) Site() (*os.File, uint32, error) {
	return nil, 0, errors.New("a scripted disk has no site")
}

func (d *scriptedDisk) Close() error { return nil }

func (d *scriptedDisk) Remove(path string) error {
	if _, err := d.do(call{op: "remove", path: path}); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, path)
	return nil
}

// of returns the calls of one kind so far.
func (d *scriptedDisk) of(op string) []call {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []call
	for _, c := range d.calls {
		if c.op == op {
			list = append(list, c)
		}
	}
	return list
}

// left returns how many files there are, and the most there ever were.
func (d *scriptedDisk) left() (now, ever int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.files), d.maximum
}

// scriptedFile is an open file of a scriptedDisk.
type scriptedFile struct {
	disk *scriptedDisk
	path string
}

func (f *scriptedFile) Write(data []byte, offset uint64) (int, error) {
	n, err := f.disk.do(call{op: "write", path: f.path, size: len(data), offset: offset})
	if err != nil {
		return 0, err
	}
	f.grow(int(offset) + n)
	return n, nil
}

// grow makes the file at least that long.
func (f *scriptedFile) grow(size int) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.files[f.path] = max(f.disk.files[f.path], size)
}

func (f *scriptedFile) Size() (uint64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return uint64(f.disk.files[f.path]), nil
}

func (f *scriptedFile) Allocate(size uint64) error {
	_, err := f.disk.do(call{op: "allocate", path: f.path, size: int(size)})
	if err == nil {
		f.grow(int(size))
	}
	return err
}

func (f *scriptedFile) Truncate(size uint64) error {
	_, err := f.disk.do(call{op: "truncate", path: f.path, size: int(size)})
	if err == nil {
		f.disk.mu.Lock()
		defer f.disk.mu.Unlock()
		f.disk.files[f.path] = int(size)
	}
	return err
}

func (f *scriptedFile) SetDirect(on bool) error {
	op := "clearDirect"
	if on {
		op = "setDirect"
	}
	_, err := f.disk.do(call{op: op, path: f.path})
	return err
}

func (f *scriptedFile) Datasync() error {
	_, err := f.disk.do(call{op: "datasync", path: f.path})
	return err
}

func (f *scriptedFile) Sync() error {
	_, err := f.disk.do(call{op: "sync", path: f.path})
	return err
}

func (f *scriptedFile) Close() error {
	_, err := f.disk.do(call{op: "close", path: f.path})
	return err
}

// scriptedReading is an open file of a scriptedDisk that is read.
type scriptedReading struct{ scriptedFile }

func (f *scriptedReading) Read(data []byte, offset uint64) (int, error) {
	size, _ := f.Size()
	return f.disk.do(call{op: "read", path: f.path, size: int(min(uint64(len(data)), size-min(size, offset))),
		offset: offset})
}

// Cached answers as a system that does not say.
func (f *scriptedReading) Cached(uint64, uint64) (uint64, bool) { return 0, false }
