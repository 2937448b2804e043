package units_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// probeVariable names, to a process that begins as a probe, the file for its findings.
const probeVariable = "BULKHEAD_UNITS_PROBE"

// forbidden are deeds that a restriction of the service forbids, and that the service's
// user may do without it. folder is one that the user may write to.
var forbidden = map[string]func(folder string) error{
	"ProtectSystem: write to /var/tmp": func(string) error {
		f, err := os.CreateTemp("/var/tmp", "probe-")
		if err == nil {
			f.Close()
			err = os.Remove(f.Name())
		}
		return err
	},
	"ProtectSystem: /usr/local may be written to": func(string) error { return writable("/usr/local") },
	"ProtectSystem: / may be written to":          func(string) error { return writable("/") },
	"ProtectControlGroups: cgroups may be changed": func(string) error {
		return writable("/sys/fs/cgroup")
	},
	"ProtectHome: look into /home": func(string) error {
		_, err := os.Stat("/home/somebody")
		return err
	},
	"PrivateDevices: open a device": func(string) error {
		f, err := os.Open("/dev/" + otherDevice)
		if err == nil {
			f.Close()
		}
		return err
	},
	"ProtectKernelTunables: read the kernel's symbols": func(string) error {
		f, err := os.Open("/proc/kallsyms")
		if err == nil {
			f.Close()
		}
		return err
	},
	"RestrictAddressFamilies: a netlink socket": func(string) error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err == nil {
			unix.Close(fd)
		}
		return err
	},
	"MemoryDenyWriteExecute: memory to write and execute": func(string) error {
		mem, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err == nil {
			err = unix.Munmap(mem)
		}
		return err
	},
	"LockPersonality: another personality": func(string) error {
		const perLinux32 = 8
		if _, _, errno := syscall.RawSyscall(syscall.SYS_PERSONALITY, perLinux32, 0, 0); errno != 0 {
			return errno
		}
		return nil
	},
	"RestrictSUIDSGID: a set-user-ID program": func(folder string) error {
		path := filepath.Join(folder, "probe-suid")
		if err := os.WriteFile(path, nil, 0o700); err != nil {
			return nil // it says nothing about this
		}
		defer os.Remove(path)
		return unix.Chmod(path, 0o4700)
	},
	"NoNewPrivileges: privileges may be gained by executing a program": func(string) error {
		if on, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || on == 1 {
			return fmt.Errorf("no_new_privs is %d, %v", on, err)
		}
		return nil
	},
	"CapabilityBoundingSet: a capability may be gained": func(string) error {
		if on, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_NET_BIND_SERVICE, 0, 0, 0); err != nil ||
			on == 0 {
			return fmt.Errorf("it is not in the bounding set: %d, %v", on, err)
		}
		return nil
	},
}

// writable returns an error if the mount that a path is on is read-only.
func writable(path string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return err
	}
	if st.Flags&unix.ST_RDONLY != 0 {
		return unix.EROFS
	}
	return nil
}

// runProbe tries every deed, and writes what came of each, "" if it was done, into a file.
func runProbe(file string) error {
	found := make(map[string]string)
	for name, try := range forbidden {
		found[name] = ""
		if err := try(filepath.Dir(file)); err != nil {
			found[name] = err.Error()
		}
	}
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
