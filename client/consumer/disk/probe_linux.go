package disk

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"bulkhead/client/block"
	"bulkhead/client/names"
	"bulkhead/internal/workload"
)

const (
	// pageSize is as much as O_DIRECT asks for anywhere, and how the memory of chunks is
	// aligned.
	pageSize = block.Size
)

// CanAllocate tries it on a file whose name is removed.
func (d *osDisk) CanAllocate() error {
	f, err := d.probe(Mode{})
	if err != nil {
		return err
	}
	err = f.Allocate(pageSize)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		err = nil // what else is wrong is told when a file is made
	} else {
		err = fmt.Errorf("%w: %s", ErrNoAllocate, d.folder.Name())
	}
	return errors.Join(err, f.Close())
}

// DirectUnit asks the kernel (statx(2), STATX_DIOALIGN, since Linux 6.1). Where it
// does not know, the unit is found by writing: 512 bytes, or a page.
func (d *osDisk) DirectUnit() (int, error) {
	refused := fmt.Errorf("%w: %s", ErrNoDirect, d.folder.Name())
	system, err := d.system()
	if err != nil {
		return 0, err
	}
	if system.Type == unix.TMPFS_MAGIC {
		return 0, refused // it takes the flag since Linux 6.6, and is memory all the same
	}
	f, err := d.probe(Mode{Direct: true})
	if errors.Is(err, unix.EINVAL) {
		return 0, refused
	}
	if err != nil {
		return 0, err
	}
	unit, err := f.directUnit()
	if errors.Is(err, ErrNoDirect) {
		err = refused
	}
	return unit, errors.Join(err, f.Close())
}

// probe makes a file without a name.
func (d *osDisk) probe(mode Mode) (*osFile, error) {
	if err := d.Remove(names.Trial); err != nil { // of a process that was killed just then
		return nil, err
	}
	f, err := d.open("create", names.Trial, unix.O_CREAT|unix.O_EXCL, mode)
	// Some file systems make the file before they refuse the flag.
	if failed := d.Remove(names.Trial); err == nil && failed != nil {
		return nil, errors.Join(failed, f.Close())
	}
	return f, err
}

func (f *osFile) directUnit() (int, error) {
	var stat unix.Statx_t
	err := unix.Statx(f.fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &stat)
	if err == nil && stat.Mask&unix.STATX_DIOALIGN != 0 {
		if stat.Dio_offset_align == 0 || stat.Dio_mem_align > pageSize {
			return 0, ErrNoDirect
		}
		return int(max(stat.Dio_offset_align, workload.DirectUnit)), nil
	}
	memory, err := unix.Mmap(-1, 0, pageSize, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return 0, fmt.Errorf("mapping a page: %w", err)
	}
	defer func() { _ = unix.Munmap(memory) }()
	for _, unit := range []int{workload.DirectUnit, pageSize} {
		_, err := f.Write(memory[:unit], 0)
		if err == nil {
			return unit, nil
		}
		if !errors.Is(err, unix.EINVAL) {
			return 0, err
		}
	}
	return 0, ErrNoDirect
}
