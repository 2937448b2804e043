package consumer

import (
	"sync"
	"time"
)

// call is one call of the writer into the file system.
type call struct {
	op   string // "create", "write", "sync", "close" or "remove"
	path string
	size int // bytes offered, of a write
	at   time.Time
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
func (d *scriptedDisk) do(op, path string, size int) (int, error) {
	c := call{op: op, path: path, size: size, at: time.Now()}
	d.mu.Lock()
	d.calls = append(d.calls, c)
	d.mu.Unlock()
	if d.script == nil {
		return size, nil
	}
	took, err := d.script(c)
	if took == 0 && err == nil {
		took = size
	}
	return max(took, 0), err
}

func (d *scriptedDisk) create(path string) (file, error) {
	if _, err := d.do("create", path, 0); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[path] = 0
	d.maximum = max(d.maximum, len(d.files))
	return &scriptedFile{disk: d, path: path}, nil
}

func (d *scriptedDisk) remove(path string) error {
	if _, err := d.do("remove", path, 0); err != nil {
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

func (f *scriptedFile) write(data []byte) (int, error) {
	n, err := f.disk.do("write", f.path, len(data))
	if err != nil {
		return 0, err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.files[f.path] += n
	return n, nil
}

func (f *scriptedFile) sync() error {
	_, err := f.disk.do("sync", f.path, 0)
	return err
}

func (f *scriptedFile) close() error {
	_, err := f.disk.do("close", f.path, 0)
	return err
}
