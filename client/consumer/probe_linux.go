package consumer

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"bulkhead/client/block"
)

const (
	// probeName is a file that is removed as soon as it is open.
	probeName = "load-probe.tmp"
	// pageSize is as much as O_DIRECT asks for anywhere, and how the memory of chunks is
	// aligned.
	pageSize = block.Size
)

// canAllocate tries it on a file that has no name any more.
func (d *osDisk) canAllocate() error {
	f, err := d.probe(openMode{})
	if err != nil {
		return err
	}
	err = f.allocate(pageSize)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		err = nil // what else is wrong is told when a file is made
	} else {
		err = fmt.Errorf("%w: %s", errNoAllocate, d.folder.Name())
	}
	return errors.Join(err, f.close())
}

// directUnit asks the kernel (statx(2), STATX_DIOALIGN, since Linux 6.1). Where it
// does not know, the unit is found by writing: 512 bytes, or a page.
func (d *osDisk) directUnit() (int, error) {
	refused := fmt.Errorf("%w: %s", errNoDirect, d.folder.Name())
	system, err := d.system()
	if err != nil {
		return 0, err
	}
	if system.Type == unix.TMPFS_MAGIC {
		return 0, refused // it takes the flag since Linux 6.6, and is memory all the same
	}
	f, err := d.probe(openMode{direct: true})
	if errors.Is(err, unix.EINVAL) {
		return 0, refused
	}
	if err != nil {
		return 0, err
	}
	unit, err := f.directUnit()
	if errors.Is(err, errNoDirect) {
		err = refused
	}
	return unit, errors.Join(err, f.close())
}

// probe makes a file without a name.
func (d *osDisk) probe(mode openMode) (*osFile, error) {
	if err := d.remove(probeName); err != nil { // of a process that was killed just then
		return nil, err
	}
	f, err := d.open("create", probeName, unix.O_CREAT|unix.O_EXCL, mode)
	// Some file systems make the file before they refuse the flag.
	if failed := d.remove(probeName); err == nil && failed != nil {
		return nil, errors.Join(failed, f.close())
	}
	return f, err
}

func (f *osFile) directUnit() (int, error) {
	var stat unix.Statx_t
	err := unix.Statx(f.fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &stat)
	if err == nil && stat.Mask&unix.STATX_DIOALIGN != 0 {
		if stat.Dio_offset_align == 0 || stat.Dio_mem_align > pageSize {
			return 0, errNoDirect
		}
		return int(max(stat.Dio_offset_align, leastDirectUnit)), nil
	}
	memory, err := unix.Mmap(-1, 0, pageSize, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return 0, fmt.Errorf("mapping a page: %w", err)
	}
	defer func() { _ = unix.Munmap(memory) }()
	for _, unit := range []int{leastDirectUnit, pageSize} {
		_, err := f.write(memory[:unit], 0)
		if err == nil {
			return unit, nil
		}
		if !errors.Is(err, unix.EINVAL) {
			return 0, err
		}
	}
	return 0, errNoDirect
}
