package preflight

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/names"
	"bulkhead/internal/human"
	"bulkhead/internal/saturated"
	"bulkhead/internal/workload"
)

const (
	// probeChunks, probeTime and probeBytes end a timing, whichever comes first;
	// one chunk is always written.
	probeChunks = 8
	probeTime   = 100 * time.Millisecond
	probeBytes  = 64 << 20
	// probePiece is how much is written at a time: what a slow system call can
	// delay the end of a timing by.
	probePiece = 1 << 20
	// probeLimit ends a timing in the middle of a chunk.
	probeLimit = 10 * time.Second
)

// place is where a folder is and how much room that has.
type place struct {
	device uint64
	room   room
	memory bool // it takes O_DIRECT since Linux 6.6, and is a cache all the same
}

// placeOf looks at the file system of a folder.
func placeOf(folder string) (place, error) {
	var stat unix.Stat_t
	if err := unix.Stat(folder, &stat); err != nil {
		return place{}, fmt.Errorf("looking at %s: %w", folder, err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil {
		return place{}, fmt.Errorf("asking for the free space of %s: %w", folder, err)
	}
	block := uint64(fs.Frsize)
	if block == 0 {
		block = uint64(fs.Bsize)
	}
	has := room{free: saturated.Mul(fs.Bavail, block), total: saturated.Mul(fs.Blocks, block), freeInodes: fs.Ffree,
		inodes: fs.Files}
	if fs.Files == 0 { // btrfs and others make inodes as they need them
		has.freeInodes = unlimited
	}
	return place{
		device: uint64(stat.Dev),
		room:   has,
		memory: fs.Type == unix.TMPFS_MAGIC,
	}, nil
}

// can returns why a consumer cannot do there what it is to do, as far as that is known
// without writing.
func (p place) can(c workload.Consumer) error {
	if c.Direct && p.memory {
		return errNoDirect
	}
	return nil
}

// probeRoom returns the most that a timing writes.
func probeRoom(c workload.Consumer) uint64 {
	return max(c.ChunkSize, min(saturated.Mul(probeChunks, c.ChunkSize), probeBytes))
}

// errNoDirect and errNoAllocation are wrapped by what touch says of a file system that
// cannot do what a consumer is to use.
var (
	errNoDirect     = errors.New("the file system does not take O_DIRECT")
	errDirectUnit   = errors.New("the file system does not take every size with O_DIRECT")
	errNoAllocation = errors.New("the file system does not allocate space beforehand")
)

// touch writes a byte to a file in folder, tries what the consumer is to use, and
// removes the file.
func touch(folder *os.Root, c workload.Consumer) error {
	file, err := createProbe(folder)
	if err != nil {
		return err
	}
	if _, err = file.Write([]byte{0}); err != nil {
		err = fmt.Errorf("writing a file: %w", err)
	}
	if err == nil && c.Preallocate {
		err = tryAllocation(file)
	}
	if err == nil && c.Direct {
		err = tryDirect(folder, c)
	}
	if err := errors.Join(file.Close(), folder.Remove(names.Probe)); err != nil {
		return fmt.Errorf("writing a file: %w", err)
	}
	return err
}

func createProbe(folder *os.Root) (*os.File, error) {
	file, err := folder.OpenFile(names.Probe, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating a file: %w", err)
	}
	return file, nil
}

// tryAllocation allocates a little. A signal interrupts it on tmpfs, the runtime's own too.
func tryAllocation(file *os.File) error {
	err := error(unix.EINTR)
	for err == unix.EINTR {
		err = unix.Fallocate(int(file.Fd()), 0, 0, 4096)
	}
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return errNoAllocation
	}
	if err != nil {
		return fmt.Errorf("allocating space: %w", err)
	}
	return nil
}

// tryDirect opens the probe's file again, and checks the sizes of the chunks if the file
// system says what it takes.
func tryDirect(folder *os.Root, c workload.Consumer) error {
	file, err := folder.OpenFile(names.Probe, os.O_WRONLY|unix.O_DIRECT, 0)
	if errors.Is(err, unix.EINVAL) {
		return errNoDirect
	}
	if err != nil {
		return fmt.Errorf("opening a file with O_DIRECT: %w", err)
	}
	var stat unix.Statx_t
	err = unix.Statx(int(file.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &stat)
	if err == nil && stat.Mask&unix.STATX_DIOALIGN != 0 {
		err = fitsUnits(c, uint64(stat.Dio_offset_align))
	} else {
		err = nil // the consumer finds out
	}
	return errors.Join(err, file.Close())
}

// fitsUnits returns an error unless all chunks are whole units of what O_DIRECT takes. A unit
// of 0 says that the flag is taken, and that writing goes through the page cache all the
// same (statx(2), STATX_DIOALIGN), as on ext4 that journals data, or encrypts them.
func fitsUnits(c workload.Consumer, unit uint64) error {
	if unit == 0 {
		return errNoDirect
	}
	for _, one := range c.Sizes() {
		if size := one.Bytes; size%unit != 0 {
			return fmt.Errorf("%w: multiples of %s, and chunk_size %s is none", errDirectUnit, human.BriefSize(unit),
				human.BriefSize(size))
		}
	}
	return nil
}

// probe times the writing of a few chunks to a file in folder, which it removes
// again. A timing that takes longer than limit ends early: it is known then that
// the consumer is too slow.
func probe(ctx context.Context, folder *os.Root, c workload.Consumer, limit time.Duration) (t timing, err error) {
	defer func() { t.processors = runtime.GOMAXPROCS(0) }()
	file, err := createProbe(folder)
	if err != nil {
		return timing{}, err
	}
	defer func() {
		err = errors.Join(err, file.Close(), folder.Remove(names.Probe))
	}()
	data := randomBytes(min(c.ChunkSize, probePiece))
	begin := time.Now()
	var total uint64
	for n := 0; n == 0 || n < probeChunks && time.Since(begin) < probeTime &&
		saturated.Add(total, c.ChunkSize) <= probeBytes; n++ {
		written, took, err := writeChunk(ctx, file, data, c.ChunkSize, limit)
		if err != nil {
			return timing{}, err
		}
		total += written
		if n == 0 || took < t.chunk {
			t.chunkBytes, t.chunk = written, took
		}
	}
	if !doesSync(c) {
		return t, nil
	}
	begin = time.Now()
	if err := file.Sync(); err != nil {
		return timing{}, fmt.Errorf("syncing a file: %w", err)
	}
	t.syncBytes, t.sync = total, time.Since(begin)
	return t, nil
}

// writeChunk writes size bytes made of pieces of data, or fewer when the limit is
// over.
func writeChunk(ctx context.Context, file *os.File, data []byte, size uint64, limit time.Duration) (uint64,
	time.Duration, error) {
	begin := time.Now()
	var written uint64
	for written < size {
		if ctx.Err() != nil {
			return 0, 0, context.Cause(ctx)
		}
		n, err := file.Write(data[:min(uint64(len(data)), size-written)])
		if err != nil {
			return 0, 0, fmt.Errorf("writing a file: %w", err)
		}
		written += uint64(n)
		if time.Since(begin) > limit {
			break
		}
	}
	return written, time.Since(begin), nil
}

// randomBytes does not compress, so that a file system that compresses is not taken
// for a fast one.
func randomBytes(n uint64) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	return data
}
