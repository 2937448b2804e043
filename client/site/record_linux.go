package site

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"bulkhead/client/names"
	"bulkhead/internal/flock"
	"bulkhead/internal/ownfile"
)

// Origin tells where a client runs. Two clients of one boot share a kernel, so that a
// lock of one is seen by the other, on any file system. Boot is empty if unknown. Machine is
// copied when a virtual machine is cloned; hardware, which is empty if unknown, is not.
type Origin struct {
	host, machine, hardware, boot string
}

// Here returns where this process runs. The id of the machine is not passed on as it is
// (machine-id(5) asks for that), but hashed with a key of our own.
func Here() Origin {
	host, _ := os.Hostname() // empty is like no other
	o := Origin{host: host, hardware: hardwareOf("/sys")}
	if boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		o.boot = strings.TrimSpace(string(boot))
	}
	if id, err := os.ReadFile("/etc/machine-id"); err == nil && strings.TrimSpace(string(id)) != "" {
		o.machine = hashed(strings.TrimSpace(string(id)))
	}
	return o
}

// hashed returns an id of a machine as it is told to others.
func hashed(id string) string {
	mac := hmac.New(sha256.New, []byte(id))
	mac.Write([]byte("bulkhead"))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// hardwareOf returns an id of what the machine is made of: of its product, which only root may
// read, and of the permanent addresses of its network devices. It is empty if there is neither,
// as in a container.
func hardwareOf(sys string) string {
	var parts []string
	if id, err := os.ReadFile(filepath.Join(sys, "class/dmi/id/product_uuid")); err == nil {
		parts = append(parts, strings.ToLower(strings.TrimSpace(string(id))))
	}
	devices, _ := filepath.Glob(filepath.Join(sys, "class/net/*/device")) // the pattern is good
	for _, device := range devices {
		of := filepath.Dir(device)
		kind, err := os.ReadFile(filepath.Join(of, "addr_assign_type"))
		if err != nil || strings.TrimSpace(string(kind)) != "0" { // another one after the next boot
			continue
		}
		if address, err := os.ReadFile(filepath.Join(of, "address")); err == nil {
			parts = append(parts, strings.TrimSpace(string(address)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return hashed(strings.Join(parts, " "))
}

// localKinds are the file systems that only one machine has mounted.
var localKinds = []int64{
	unix.EXT4_SUPER_MAGIC, // and ext2, ext3
	unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.RAMFS_MAGIC,
	unix.OVERLAYFS_SUPER_MAGIC, unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC, unix.ECRYPTFS_SUPER_MAGIC,
	0x2fc12fc1, // ZFS
	0xca451a4e, // bcachefs
}

// local reports whether only this machine has the site's file system mounted, as far as its kind
// tells.
func (s *Site) local() bool {
	folder, err := s.Root.Open(".")
	if err != nil {
		return false
	}
	defer folder.Close()
	var system unix.Statfs_t
	return unix.Fstatfs(int(folder.Fd()), &system) == nil && slices.Contains(localKinds, int64(system.Type))
}

// lockRecord locks the record in a client's folder until the returned file is closed.
// It is not locked if another process has the lock, or if the file system has no locks.
func lockRecord(folder *os.Root) (file *os.File, locked bool, err error) {
	for _, mode := range []int{os.O_RDONLY, os.O_RDWR} {
		file, err = ownfile.OpenIn(folder, names.Record, mode, 0)
		if err != nil {
			return nil, false, err
		}
		err = flock.Try(file)
		switch {
		case err == nil:
			return file, true, nil
		case errors.Is(err, flock.ErrHeld), errors.Is(err, flock.ErrUnsupported):
			return file, false, nil
		}
		_ = file.Close() // nothing was written
		if !errors.Is(err, unix.EBADF) {
			break // NFS alone wants a file that can be written, see flock(2)
		}
	}
	return nil, false, err
}
