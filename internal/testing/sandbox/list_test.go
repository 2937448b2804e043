package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	walls "bulkhead/internal/sandbox"
)

// The layers that stop an attempt alone.
var (
	files   = []walls.Layer{walls.Landlock, walls.Root, walls.User}
	peeking = []walls.Layer{walls.Landlock, walls.User, walls.Capabilities}
	none    = []walls.Layer(nil)
)

const (
	anon  = unix.MAP_ANON | unix.MAP_PRIVATE
	write = unix.PROT_READ | unix.PROT_WRITE
	here  = ^uintptr(99) // AT_FDCWD
)

// attempts are what a handler must not be able to do.
var attempts = []attempt{
	// Files.
	{"read the journal", func(a targets) error { return open(a.Journal, unix.O_RDONLY) }, files, false},
	{"write the journal", func(a targets) error { return open(a.Journal, unix.O_WRONLY) }, files, false},
	{"append to the journal",
		func(a targets) error { return open(a.Journal, unix.O_RDWR|unix.O_APPEND) }, files, false},
	{"truncate the journal", func(a targets) error { return unix.Truncate(a.Journal, 1) }, files, false},
	{"remove the journal", func(a targets) error { return unix.Unlink(a.Journal) }, files, false},
	{"rename the journal",
		func(a targets) error { return unix.Rename(a.Journal, a.Journal+".old") }, files, false},
	{"link the journal",
		func(a targets) error { return unix.Link(a.Journal, a.Journal+".link") }, files, false},
	{"change its mode", func(a targets) error { return unix.Chmod(a.Journal, 0o777) },
		[]walls.Layer{walls.Root, walls.User}, false},
	{"look at it",
		func(a targets) error { return unix.Stat(a.Journal, &unix.Stat_t{}) },
		[]walls.Layer{walls.Root}, false},
	{"set its time", func(a targets) error { return unix.Utimes(a.Journal, make([]unix.Timeval, 2)) },
		[]walls.Layer{walls.Root, walls.User}, false},
	{"make a file",
		func(a targets) error { return open(a.Folder+"/new", unix.O_CREAT|unix.O_WRONLY) }, files, false},
	{"make a folder", func(a targets) error { return unix.Mkdir(a.Folder+"/folder", 0o700) }, files, false},
	{"make a symbolic link",
		func(a targets) error { return unix.Symlink("/etc", a.Folder+"/symlink") }, files, false},
	{"make a pipe with a name",
		func(a targets) error { return unix.Mkfifo(a.Folder+"/fifo", 0o600) }, files, false},
	{"list a folder",
		func(a targets) error { return open(a.Folder, unix.O_RDONLY|unix.O_DIRECTORY) }, files, false},
	{"read what everybody may", func(targets) error { return open("/etc/passwd", unix.O_RDONLY) },
		[]walls.Layer{walls.Landlock, walls.Root}, false},
	{"read its own program", func(targets) error { return open("/proc/self/exe", unix.O_RDONLY) },
		[]walls.Layer{walls.Landlock, walls.Root}, false},
	{"open by openat2", func(a targets) error {
		fd, err := unix.Openat2(unix.AT_FDCWD, a.Journal, &unix.OpenHow{Flags: unix.O_RDONLY})
		if err == nil {
			unix.Close(fd)
		}
		return err
	}, files, false},
	{"use shared memory with a name",
		func(targets) error {
			const name = "/dev/shm/bulkhead-sandbox-test"
			if err := open(name, unix.O_CREAT|unix.O_RDWR); err != nil {
				return err
			}
			return unix.Unlink(name)
		},
		[]walls.Layer{walls.Landlock, walls.Root}, true},
	{"go to another folder",
		func(targets) error { return unix.Chdir("/tmp") }, []walls.Layer{walls.Root}, false},
	{"watch a folder", func(a targets) error {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err == nil {
			_, err = unix.InotifyAddWatch(fd, a.Folder, unix.IN_ALL_EVENTS)
		}
		return err
	}, []walls.Layer{walls.Root, walls.User}, false},
	{"ask which file system",
		func(targets) error { return unix.Statfs("/tmp", &unix.Statfs_t{}) },
		[]walls.Layer{walls.Root}, false},
	{"name a file by a handle",
		func(a targets) error { _, _, err := unix.NameToHandleAt(unix.AT_FDCWD, a.Journal, 0); return err },
		[]walls.Layer{walls.Root}, true},
	{"set an attribute", func(a targets) error { return unix.Setxattr(a.Journal, "user.x", []byte("y"), 0) },
		[]walls.Layer{walls.Root, walls.User}, true},
	{"make a file in memory",
		func(targets) error { _, err := unix.MemfdCreate("x", 0); return err }, none, false},
	{"make a secret file in memory", func(targets) error { return call(unix.SYS_MEMFD_SECRET, 0) }, none, true},
	{"give itself a better place when memory runs out", func(targets) error {
		return open("/proc/self/oom_score_adj", unix.O_RDWR)
	}, []walls.Layer{walls.Landlock, walls.Root}, false},

	// Its supervisor and its siblings.
	{"read the supervisor's environment",
		func(a targets) error { return open(of(a.Supervisor, "environ"), unix.O_RDONLY) },
		append([]walls.Layer{walls.Root}, peeking...), false},
	{"open the supervisor's memory",
		func(a targets) error { return open(of(a.Supervisor, "mem"), unix.O_RDWR) },
		append([]walls.Layer{walls.Root}, peeking...), false},
	{"see where the supervisor's memory is",
		func(a targets) error { return open(of(a.Supervisor, "maps"), unix.O_RDONLY) },
		append([]walls.Layer{walls.Root}, peeking...), false},
	{"list the supervisor's descriptors",
		func(a targets) error { return open(of(a.Supervisor, "fd"), unix.O_RDONLY) },
		[]walls.Layer{walls.Root, walls.Landlock, walls.User}, false},
	{"read a sibling's black box", func(a targets) error { return open(of(a.Sibling, "fd/4"), unix.O_RDWR) },
		[]walls.Layer{walls.Root, walls.Landlock}, false},
	{"open a sibling's memory", func(a targets) error { return open(of(a.Sibling, "mem"), unix.O_RDWR) },
		[]walls.Layer{walls.Root, walls.Landlock}, false},
	{"read the supervisor's memory", func(a targets) error { return readMemory(a.Supervisor) }, peeking, false},
	{"read a sibling's memory", func(a targets) error { return readMemory(a.Sibling) },
		[]walls.Layer{walls.Landlock}, false},
	{"write a sibling's memory", func(a targets) error {
		return call(unix.SYS_PROCESS_VM_WRITEV, uintptr(a.Sibling), at(), 0, at(), 0, 0)
	}, none, false},
	{"trace the supervisor",
		func(a targets) error { return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(a.Supervisor), 0, 0) },
		peeking, false},
	{"trace a sibling",
		func(a targets) error { return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(a.Sibling), 0, 0) },
		[]walls.Layer{walls.Landlock}, false},
	{"get hold of the supervisor",
		func(a targets) error { _, err := unix.PidfdOpen(a.Supervisor, 0); return err }, none, false},
	{"take a sibling's descriptor", func(a targets) error {
		fd, err := unix.PidfdOpen(a.Sibling, 0)
		if err == nil {
			_, err = unix.PidfdGetfd(fd, 3, 0)
		}
		return err
	}, []walls.Layer{walls.Landlock}, false},
	{"take the supervisor's descriptor", func(a targets) error {
		fd, err := unix.PidfdOpen(a.Supervisor, 0)
		if err == nil {
			_, err = unix.PidfdGetfd(fd, 0, 0)
		}
		return err
	}, peeking, false},
	{"signal the supervisor", func(a targets) error { return unix.Kill(a.Supervisor, 0) },
		[]walls.Layer{walls.Landlock, walls.User}, false},
	{"signal a sibling",
		func(a targets) error { return unix.Kill(a.Sibling, 0) }, []walls.Layer{walls.Landlock}, false},
	{"signal a sibling's thread", func(a targets) error { return unix.Tgkill(a.Sibling, a.Sibling, 0) },
		[]walls.Layer{walls.Landlock}, false},
	{"signal by the old call", func(a targets) error { return call(unix.SYS_TKILL, uintptr(a.Sibling), 0) },
		[]walls.Layer{walls.Landlock}, false},
	{"signal its group", func(targets) error { return unix.Kill(0, 0) }, none, false},
	{"signal everybody", func(targets) error { return unix.Kill(-1, 0) }, none, true},
	{"send a signal with a value", func(a targets) error {
		info := (*[32]int32)(unsafe.Pointer(&room[0]))
		info[2] = -1 // SI_QUEUE
		return call(unix.SYS_RT_SIGQUEUEINFO, uintptr(a.Sibling), 0, at())
	}, []walls.Layer{walls.Landlock}, false},
	{"compare itself with a sibling", func(a targets) error {
		return call(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(a.Sibling), 1, 0, 0)
	}, []walls.Layer{walls.Landlock}, true},
	{"slow a sibling down",
		func(a targets) error { return unix.Setpriority(unix.PRIO_PROCESS, a.Sibling, 19) }, none, false},
	{"move a sibling to another processor", func(a targets) error {
		var all unix.CPUSet
		all.Set(0)
		return unix.SchedSetaffinity(a.Sibling, &all)
	}, none, false},
	{"limit a sibling", func(a targets) error {
		return unix.Prlimit(a.Sibling, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
	}, none, false},
	{"look at a sibling's limits", func(a targets) error {
		return unix.Prlimit(a.Sibling, unix.RLIMIT_CORE, nil, &unix.Rlimit{})
	}, none, false},
	{"read where a sibling's locks are", func(a targets) error {
		return call(unix.SYS_GET_ROBUST_LIST, uintptr(a.Sibling), at(), at()+8)
	}, []walls.Layer{walls.Landlock}, true},
	{"talk to the control socket", func(a targets) error {
		return socket(unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: a.Control})
	}, []walls.Layer{walls.Root, walls.User}, false},
	{"talk to an abstract socket", func(a targets) error {
		return socket(unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: a.Abstract})
	}, []walls.Layer{walls.Landlock, walls.Namespaces}, false},

	// The network.
	{"connect by TCP",
		func(a targets) error { return socket(unix.AF_INET, unix.SOCK_STREAM, loopback(a.Port)) },
		[]walls.Layer{walls.Landlock, walls.Namespaces}, false},
	{"send by UDP",
		func(a targets) error { return socket(unix.AF_INET, unix.SOCK_DGRAM, loopback(a.Datagrams)) },
		[]walls.Layer{walls.Namespaces}, false},
	{"listen for TCP", func(targets) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err == nil {
			err = unix.Bind(fd, loopback(0))
		}
		return err
	}, []walls.Layer{walls.Landlock}, false},
	{"make a TCP socket",
		func(targets) error { return socket(unix.AF_INET, unix.SOCK_STREAM, nil) }, none, false},
	{"make a socket of version 6",
		func(targets) error { return socket(unix.AF_INET6, unix.SOCK_STREAM, nil) }, none, true},
	{"make a unix socket",
		func(targets) error { return socket(unix.AF_UNIX, unix.SOCK_STREAM, nil) }, none, false},
	{"make a pair of sockets", func(targets) error {
		_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		return err
	}, none, false},
	{"make a raw socket", func(targets) error { return socket(unix.AF_INET, unix.SOCK_RAW, nil) },
		[]walls.Layer{walls.User, walls.Capabilities}, true},
	{"see every packet", func(targets) error { return socket(unix.AF_PACKET, unix.SOCK_RAW, nil) },
		[]walls.Layer{walls.User, walls.Capabilities}, true},
	{"talk to the kernel's network",
		func(targets) error { return socket(unix.AF_NETLINK, unix.SOCK_RAW, nil) }, none, false},
	{"use the kernel's ciphers",
		func(targets) error { return socket(unix.AF_ALG, unix.SOCK_SEQPACKET, nil) }, none, true},
	{"talk to the host of a virtual machine",
		func(targets) error { return socket(unix.AF_VSOCK, unix.SOCK_STREAM, nil) }, none, true},
	{"disconnect its client and connect to another", withClient(func(fd int, a targets) error {
		if err := call(unix.SYS_CONNECT, uintptr(fd), at(), 16); err != nil { // AF_UNSPEC
			return err
		}
		if err := unix.Connect(fd, loopback(a.Port)); err != unix.EINPROGRESS {
			return err
		}
		return nil
	}), []walls.Layer{walls.Landlock}, false},
	{"listen on its client's socket", withClient(func(fd int, _ targets) error {
		_ = call(unix.SYS_CONNECT, uintptr(fd), at(), 16)
		return unix.Listen(fd, 1)
	}), none, false},
	{"send with an address", withClient(func(fd int, _ targets) error {
		return call(unix.SYS_SENDTO, uintptr(fd), at(), 1, unix.MSG_NOSIGNAL, 0, 0)
	}), none, false},
	{"hand its client's socket to somebody", func(targets) error {
		return unix.Sendmsg(3, []byte("x"), unix.UnixRights(0), nil, unix.MSG_NOSIGNAL)
	}, none, true},
	{"bind its client's socket to an interface", withClient(func(fd int, _ targets) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, 0)
	}), []walls.Layer{walls.User, walls.Capabilities}, true},
	{"take a large buffer", withClient(func(fd int, _ targets) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<24)
	}), none, false},
	{"change how TCP works", withClient(func(fd int, _ targets) error {
		return unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_CONGESTION, "reno")
	}), none, true},
	{"list the interfaces", withClient(func(fd int, _ targets) error {
		return call(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFCONF, at())
	}), none, false},
	{"get hold of its peer", func(targets) error {
		_, err := unix.GetsockoptInt(3, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
		return err
	}, none, true},

	// Processes and threads.
	{"fork", func(targets) error { return forked(unix.SYS_CLONE, uintptr(unix.SIGCHLD)) }, none, false},
	{"fork by clone3", func(targets) error {
		args := (*[11]uint64)(unsafe.Pointer(&room[0]))
		args[4] = uint64(unix.SIGCHLD)
		return forked(unix.SYS_CLONE3, at(), 88)
	}, none, false},
	{"fork as its supervisor's child",
		func(targets) error { return forked(unix.SYS_CLONE, unix.CLONE_PARENT) }, none, false},
	{"start threads", threads, none, false},
	{"execute a program", func(a targets) error {
		argv := [2]uintptr{text(a.Program)}
		return call(unix.SYS_EXECVE, text(a.Program), uintptr(unsafe.Pointer(&argv)), 0)
	}, []walls.Layer{walls.Landlock, walls.Root}, false},
	{"execute a program by its descriptor", func(a targets) error {
		argv := [2]uintptr{text(a.Program)}
		return call(unix.SYS_EXECVEAT, here, text(a.Program), uintptr(unsafe.Pointer(&argv)), 0, 0)
	}, []walls.Layer{walls.Landlock, walls.Root}, false},
	{"begin a session", func(targets) error { return call(unix.SYS_SETPGID, 0, 0) }, none, false},
	{"wait for a child",
		func(targets) error { return call(unix.SYS_WAITID, 0, 0, at(), unix.WNOHANG|unix.WEXITED, 0) },
		none, true},

	// Memory.
	{"have more memory than its limit", func(targets) error { return mapped(2*memoryMax, write, anon) },
		[]walls.Layer{walls.Limits}, false},
	{"have memory that can be executed",
		func(targets) error { return mapped(4096, unix.PROT_READ|unix.PROT_EXEC, anon) }, none, false},
	{"make memory executable", func(targets) error {
		addr, _, errno := unix.RawSyscall6(unix.SYS_MMAP, 0, 4096, write, anon, ^uintptr(0), 0)
		if errno != 0 {
			return errno
		}
		return call(unix.SYS_MPROTECT, addr, 4096, unix.PROT_READ|unix.PROT_EXEC)
	}, none, false},
	{"have shared memory, which counts as nobody's", func(targets) error {
		return mapped(4096, write, unix.MAP_ANON|unix.MAP_SHARED)
	}, none, false},
	{"have memory that grows as a stack",
		func(targets) error { return mapped(4096, write, anon|unix.MAP_GROWSDOWN) }, none, false},
	{"lock memory", func(targets) error { return call(unix.SYS_MLOCK, at()&^4095, 4096) }, none, false},
	{"lock memory as it is mapped",
		func(targets) error { return mapped(1<<20, write, anon|unix.MAP_LOCKED) }, none, true},
	{"reserve the whole address space",
		func(targets) error { return mapped(1<<40, unix.PROT_READ, anon|unix.MAP_NORESERVE) },
		[]walls.Layer{walls.Limits}, false},
	{"attach a segment of others",
		func(a targets) error { return call(unix.SYS_SHMAT, uintptr(a.Shared), 0, 0) },
		[]walls.Layer{walls.Namespaces, walls.User}, false},
	{"make a segment",
		func(targets) error { return made(unix.SYS_SHMCTL, 1, unix.SYS_SHMGET, 0, 4096, unix.IPC_CREAT|0o600) },
		none, false},
	{"make a semaphore",
		func(targets) error { return made(unix.SYS_SEMCTL, 2, unix.SYS_SEMGET, 0, 1, unix.IPC_CREAT|0o600) },
		none, false},
	{"make a queue",
		func(targets) error { return made(unix.SYS_MSGCTL, 1, unix.SYS_MSGGET, 0, unix.IPC_CREAT|0o600) }, none, false},
	{"make a queue with a name", func(targets) error {
		name := text("bulkhead-sandbox-test")
		if err := call(unix.SYS_MQ_OPEN, name, unix.O_CREAT|unix.O_RDWR, 0o600, 0); err != nil {
			return err
		}
		return call(unix.SYS_MQ_UNLINK, name)
	}, none, true}, // who has CAP_SYS_RESOURCE may exceed the limit
	{"have many descriptors", descriptors, []walls.Layer{walls.Limits}, false},
	{"have a pipe", func(targets) error { return unix.Pipe2(make([]int, 2), 0) }, none, false},
	{"have a timer",
		func(targets) error { _, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, 0); return err },
		none, false},
	{"have an event", func(targets) error { _, err := unix.Eventfd(0, 0); return err }, none, false},
	{"splice", func(targets) error { return call(unix.SYS_TEE, 0, 1, 0, 0) }, none, true},

	// The kernel.
	{"use io_uring", func(targets) error { return call(unix.SYS_IO_URING_SETUP, 1, at()) }, none, true},
	{"use asynchronous input", func(targets) error { return call(unix.SYS_IO_SETUP, 1, at()) }, none, true},
	{"handle its page faults", func(targets) error { return call(unix.SYS_USERFAULTFD, 1) }, none, true},
	{"load a program for the kernel",
		func(targets) error { return call(unix.SYS_BPF, unix.BPF_MAP_CREATE, at(), 0) }, none, true},
	{"measure events",
		func(targets) error { return call(unix.SYS_PERF_EVENT_OPEN, at(), 0, ^uintptr(0), ^uintptr(0), 0) },
		none, true},
	{"use the kernel's keys", func(targets) error {
		return call(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, ^uintptr(2), 1)
	}, none, true},
	{"have a user namespace", func(targets) error {
		return forkedThread(unix.CLONE_NEWUSER)
	}, none, true},
	{"have a mount namespace", func(targets) error { return forkedThread(unix.CLONE_NEWNS) },
		[]walls.Layer{walls.User, walls.Capabilities}, true},
	{"mount", func(a targets) error { return unix.Mount("none", a.Folder, "tmpfs", 0, "size=4k") },
		[]walls.Layer{walls.Landlock, walls.User, walls.Capabilities}, true},
	{"open a tree to mount", func(a targets) error { return call(unix.SYS_OPEN_TREE, here, text(a.Folder), 1) },
		[]walls.Layer{walls.User, walls.Capabilities}, true},
	{"open a file system", func(targets) error { return call(unix.SYS_FSOPEN, text("tmpfs"), 0) },
		[]walls.Layer{walls.User, walls.Capabilities}, true},
	{"change its root", func(a targets) error { return unix.Chroot(a.Folder) },
		[]walls.Layer{walls.Root, walls.User, walls.Capabilities}, true},
	{"read the kernel's log", func(targets) error { return call(unix.SYS_SYSLOG, 10, 0, 0) },
		[]walls.Layer{walls.User, walls.Capabilities}, true},
	{"be another kind of process",
		func(targets) error { return call(unix.SYS_PERSONALITY, 0x0040000) }, none, false},
	{"name the machine", func(targets) error {
		name, err := os.Hostname()
		if err != nil {
			name = strings.Repeat("x", 8)
		}
		return unix.Sethostname([]byte(name))
	}, []walls.Layer{walls.User, walls.Capabilities}, true},

	// Privileges.
	{"raise a limit", func(targets) error {
		return unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: 64}, nil)
	}, none, false},
	{"become more urgent", func(targets) error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -1) },
		[]walls.Layer{walls.User, walls.Capabilities}, true},
	{"have a schedule of its own",
		func(targets) error { return call(unix.SYS_SCHED_SETSCHEDULER, 0, 3, at()) }, none, false},
	{"have groups", func(targets) error { return call(unix.SYS_SETGROUPS, 0, 0) },
		[]walls.Layer{walls.User, walls.Capabilities}, true},
	{"have the user that it has", func(targets) error {
		return call(unix.SYS_SETRESUID, uintptr(os.Getuid()), uintptr(os.Getuid()), uintptr(os.Getuid()))
	}, none, false},
	{"change its capabilities", func(targets) error {
		head := (*unix.CapUserHeader)(unsafe.Pointer(&room[0]))
		head.Version = unix.LINUX_CAPABILITY_VERSION_3
		return call(unix.SYS_CAPSET, at(), at()+64)
	}, none, false},
	{"be looked into again",
		func(targets) error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }, none, false},
	{"have a filter of its own", func(targets) error {
		code := [1]unix.SockFilter{{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW}}
		filter := unix.SockFprog{Len: 1, Filter: &code[0]}
		_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		return call(unix.SYS_SECCOMP, 1, 0, uintptr(unsafe.Pointer(&filter)))
	}, none, false},
	{"have a port of the machine",
		func(targets) error { return openPort() }, []walls.Layer{walls.User, walls.Capabilities}, true},
}

// readMemory reads the first bytes of a program in the memory of a process.
func readMemory(pid int) error {
	local := []unix.Iovec{{Base: &room[0], Len: 8}}
	far := []unix.RemoteIovec{{Base: 0x400000, Len: 8}}
	_, err := unix.ProcessVMReadv(pid, local, far, 0)
	return err
}

// forkedThread leaves namespaces in a thread of its own.
func forkedThread(flags int) error { return unix.Unshare(flags | unix.CLONE_FS) }

// openPort asks for direct access to a port.
func openPort() error { return unix.Access(filepath.Join("/dev", "port"), unix.R_OK) }
