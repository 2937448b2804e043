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

// lockRecord locks a record until its file is closed. It returns false if another
// process has it, or if the file system has no locks.
func lockRecord(file *os.File) (bool, error) {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS):
		return false, nil
	default:
		return false, err
	}
}
