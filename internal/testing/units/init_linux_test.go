package units_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// systemd is the service manager.
const systemd = "/lib/systemd/systemd"

// initVariable names, to a process that begins as the first one of a machine, the folder
// with what is shipped.
const initVariable = "BULKHEAD_UNITS_INIT"

// ownUnits are the units of systemd that the machine has; those of the system it is on it
// has not.
var ownUnits = []string{
	"basic.target", "local-fs.target", "local-fs-pre.target", "multi-user.target", "network.target",
	"paths.target", "shutdown.target", "slices.target", "sockets.target", "sysinit.target", "timers.target",
	"umount.target",
	"systemd-journald.service", "systemd-journald.socket",
}

// devices are the devices that the machine has.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// otherDevice is one that a service with private devices does not have.
const otherDevice = "other"

// keptFromInit are privileges whose use a namespace does not confine.
var keptFromInit = []uintptr{unix.CAP_SYS_TIME, unix.CAP_SYS_MODULE, unix.CAP_SYS_BOOT, unix.CAP_SYS_RAWIO,
	unix.CAP_SYSLOG, unix.CAP_WAKE_ALARM}

// runInit makes the machine in the namespaces that this process is the first one of, and
// becomes systemd. It returns at an error only.
func runInit(shipped string) error {
	if os.Getpid() != 1 {
		// what follows would be done to the system
		return fmt.Errorf("%s is for the first process of a machine of its own", initVariable)
	}
	runtime.LockOSThread() // what is unshared and dropped is this thread's, which executes systemd
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("unsharing cgroups: %w", err)
	}
	if err := makeRoot(shipped); err != nil {
		return err
	}
	for _, c := range keptFromInit {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	env := []string{"container=bulkhead-units", "PATH=/usr/local/bin:/usr/bin:/usr/sbin", "SYSTEMD_LOG_LEVEL=info"}
	return syscall.Exec(systemd, []string{systemd, "--system", "--show-status=false"}, env)
}

// makeRoot makes the root and enters it. The mounts of everyone else stay as they are.
func makeRoot(shipped string) (failed error) {
	const root = "/tmp" // the mount over it is in this namespace alone
	inRoot := func(path string) string { return filepath.Join(root, path) }
	// The first failure is the end: what comes after it would reach files of the system where
	// a mount is missing that should cover them.
	must := func(doing string, err error) {
		if err != nil {
			panic(failure{fmt.Errorf("%s: %w", doing, err)})
		}
	}
	defer func() {
		switch f := recover().(type) {
		case nil:
		case failure:
			failed = f.error
		default:
			panic(f)
		}
	}()
	folder := func(path string) { must("making "+path, os.MkdirAll(inRoot(path), 0o755)) }
	file := func(path, text string) {
		folder(filepath.Dir(path))
		must("making "+path, os.WriteFile(inRoot(path), []byte(text), 0o644))
	}
	mount := func(source, path, kind string, flags uintptr, data string) {
		must("mounting "+path, unix.Mount(source, inRoot(path), kind, flags, data))
	}
	// bind shows a file or folder of the system at a path, read-only.
	bind := func(source, path string) {
		mount(source, path, "", unix.MS_BIND|unix.MS_REC, "")
		mount("", path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}

	// What is needed of below /tmp is taken hold of before /tmp is covered.
	must("making mounts private", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	held, err := unix.OpenTree(unix.AT_FDCWD, shipped, unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE)
	must("holding "+shipped, err)
	mount("tmpfs", "", "tmpfs", 0, "mode=755")
	for _, path := range []string{"usr", "etc/systemd/system", "var/lib", "var/log", "var/tmp",
		"run", "tmp", "home/somebody", "root", "mnt", "dev", "proc", "sys", "old", "shipped"} {
		folder(path)
	}
	must("opening /tmp to all", os.Chmod(inRoot("tmp"), 0o1777))
	must("opening /var/tmp to all", os.Chmod(inRoot("var/tmp"), 0o1777))
	must("showing what is shipped",
		unix.MoveMount(held, "", unix.AT_FDCWD, inRoot("shipped"), unix.MOVE_MOUNT_F_EMPTY_PATH))

	bind("/usr", "usr")
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		switch target, err := os.Readlink("/" + name); {
		case err == nil:
			must("linking "+name, os.Symlink(target, inRoot(name)))
		case !os.IsNotExist(err): // a folder, where /usr is not merged
			folder(name)
			bind("/"+name, name)
		}
	}
	for _, path := range []string{"usr/local", "usr/lib/systemd/system", "usr/lib/systemd/system-generators",
		"usr/lib/systemd/system-environment-generators"} {
		mount("tmpfs", path, "tmpfs", 0, "mode=755")
	}
	for _, name := range ownUnits {
		text, err := os.ReadFile(filepath.Join("/lib/systemd/system", name))
		must("reading a unit", err)
		file(filepath.Join("usr/lib/systemd/system", name), string(text))
	}
	folder("usr/lib/systemd/system/sockets.target.wants")
	must("choosing the default target",
		os.Symlink("multi-user.target", inRoot("usr/lib/systemd/system/default.target")))
	must("wanting journald", os.Symlink("../systemd-journald.socket",
		inRoot("usr/lib/systemd/system/sockets.target.wants/systemd-journald.socket")))

	mount("tmpfs", "dev", "tmpfs", unix.MS_NOSUID, "mode=755")
	folder("dev/shm")
	folder("dev/pts")
	mount("devpts", "dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
	for _, name := range devices {
		file(filepath.Join("dev", name), "")
		mount(filepath.Join("/dev", name), filepath.Join("dev", name), "", unix.MS_BIND, "")
	}
	file(filepath.Join("dev", otherDevice), "")
	mount("/dev/null", filepath.Join("dev", otherDevice), "", unix.MS_BIND, "")
	must("linking /dev/ptmx", os.Symlink("pts/ptmx", inRoot("dev/ptmx")))
	must("linking /dev/fd", os.Symlink("/proc/self/fd", inRoot("dev/fd")))
	mount("proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, "")
	bind(inRoot("proc/sys"), "proc/sys") // it is everyone's
	must("removing the sysrq trigger", hide(inRoot("proc/sysrq-trigger"), inRoot("dev/null")))
	mount("sysfs", "sys", "sysfs", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV|unix.MS_RDONLY, "")
	mount("cgroup2", "sys/fs/cgroup", "cgroup2", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, "")

	file("etc/passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n")
	file("etc/group", "root:x:0:\nnogroup:x:65534:\n")
	defaults, err := os.ReadFile("/etc/login.defs") // which useradd goes by
	must("reading /etc/login.defs", err)
	file("etc/login.defs", string(defaults))
	file("etc/hosts", "127.0.0.1 localhost collector\n")
	file("etc/machine-id", "b0e2b0e2b0e2b0e2b0e2b0e2b0e2b0e2\n")
	file("etc/systemd/journald.conf", "[Journal]\nStorage=volatile\nRateLimitBurst=0\nReadKMsg=no\nAudit=no\n")

	must("entering the root", unix.PivotRoot(root, inRoot("old")))
	must("entering the root", os.Chdir("/"))
	must("leaving the old root", unix.Unmount("/old", unix.MNT_DETACH))
	return nil
}

// failure is what makeRoot panics with.
type failure struct{ error }

// hide covers a file, if it exists.
func hide(path, with string) error {
	err := unix.Mount(with, path, "", unix.MS_BIND, "")
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
