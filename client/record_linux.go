package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// origin tells where a client runs. Two clients of one boot share a kernel, so that a
// lock of one is seen by the other, on any file system. Boot is empty if unknown.
type origin struct {
	host, machine, boot string
}

// here is where this process runs. The id of the machine is not passed on as it is
// (machine-id(5) asks for that), but hashed with a key of our own.
func here() origin {
	host, _ := os.Hostname() // empty is like no other
	o := origin{host: host}
	if boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		o.boot = strings.TrimSpace(string(boot))
	}
	if id, err := os.ReadFile("/etc/machine-id"); err == nil && strings.TrimSpace(string(id)) != "" {
		mac := hmac.New(sha256.New, []byte(strings.TrimSpace(string(id))))
		mac.Write([]byte("bulkhead"))
		o.machine = hex.EncodeToString(mac.Sum(nil)[:16])
	}
	return o
}

// lockRecord locks the record in a client's folder until the returned file is closed.
// It is not locked if another process has the lock, or if the file system has no locks.
func lockRecord(folder *os.Root) (file *os.File, locked bool, err error) {
	for _, mode := range []int{os.O_RDONLY, os.O_RDWR} {
		file, err = folder.OpenFile(recordName, mode, 0)
		if err != nil {
			return nil, false, err
		}
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return file, true, nil
		case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS):
			return file, false, nil
		}
		_ = file.Close() // nothing was written
		if !errors.Is(err, unix.EBADF) {
			break // NFS alone wants a file that can be written, see flock(2)
		}
	}
	return nil, false, err
}
