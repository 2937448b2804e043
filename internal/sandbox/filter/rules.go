package filter

import (
	"golang.org/x/sys/unix"
)

// Action is what becomes of a call: the value that a program of seccomp(2) returns.
type Action uint32

const (
	Allow Action = unix.SECCOMP_RET_ALLOW
	// Kill ends the process with SIGSYS.
	Kill Action = unix.SECCOMP_RET_KILL_PROCESS
)

// Fail has a call return an error.
func Fail(errno unix.Errno) Action { return unix.SECCOMP_RET_ERRNO | Action(errno) }

// Unknown is what becomes of calls that no rule decides.
var Unknown = Fail(unix.ENOSYS)

// check wants an argument of a call to be one of these values.
type check struct {
	arg    int
	values []uint32
}

func is(arg int, values ...uint32) check { return check{arg, values} }

// ownPid stands for the number of the process, which is known when it locks itself.
const ownPid uint32 = 0x70696421

// rule says what becomes of some calls: Do where all checks of one of the sets hold, and Else
// where none does. Without sets it is always Do.
type rule struct {
	calls string
	when  [][]check
	do    Action
	els   Action // 0 is Unknown
}

// The values of arguments that x/sys does not have, or only for other machines.
const (
	futexWait   = 128 // FUTEX_WAIT_PRIVATE
	futexWake   = 129 // FUTEX_WAKE_PRIVATE
	vmaName     = 0   // PR_SET_VMA_ANON_NAME
	dropMapping = 0x08
)

// rules are tried in this order: what is called often comes first.
var rules = []rule{
	{calls: "futex", do: Allow, when: [][]check{{is(1, futexWait, futexWake)}}},
	{calls: "read write epoll_pwait nanosleep recvmsg sched_yield getpid gettid epoll_ctl close accept4 munmap " +
		"poll ppoll shutdown getsockname getpeername clock_gettime clock_getres clock_nanosleep gettimeofday " +
		"rt_sigprocmask rt_sigaction rt_sigreturn sigaltstack restart_syscall getrandom exit exit_group", do: Allow},
	{calls: "madvise", do: Allow, when: [][]check{{is(2, unix.MADV_DONTNEED, unix.MADV_FREE, unix.MADV_HUGEPAGE,
		unix.MADV_NOHUGEPAGE, unix.MADV_COLLAPSE)}}},
	// Memory of its own, which counts as data (RLIMIT_DATA): no file, nothing shared, nothing that
	// can be executed, no stack that grows, nothing locked or huge.
	{calls: "mmap", do: Allow, els: Fail(unix.EPERM), when: [][]check{{
		is(2, unix.PROT_NONE, unix.PROT_READ, unix.PROT_READ|unix.PROT_WRITE),
		is(3, unix.MAP_ANON|unix.MAP_PRIVATE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_FIXED,
			unix.MAP_ANON|dropMapping),
	}}},
	// Signals to itself: Go's runtime interrupts its threads.
	{calls: "tgkill kill", do: Allow, els: Kill, when: [][]check{{is(0, ownPid)}}},
	{calls: "prctl", do: Allow, els: Kill, when: [][]check{{is(0, unix.PR_SET_VMA), is(1, vmaName)}}},
	{calls: "fcntl", do: Allow, when: [][]check{{is(1, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL,
		unix.F_DUPFD_CLOEXEC)}}},
	{calls: "getsockopt", do: Allow, when: [][]check{
		{is(1, unix.SOL_SOCKET), is(2, unix.SO_TYPE, unix.SO_ERROR, unix.SO_DOMAIN, unix.SO_PROTOCOL,
			unix.SO_PEERCRED, unix.SO_ACCEPTCONN,
			unix.SO_LINGER, unix.SO_RCVTIMEO, unix.SO_SNDTIMEO)}, // gRPC looks at those of each connection
		{is(1, unix.SOL_TCP), is(2, unix.TCP_INFO, unix.TCP_USER_TIMEOUT)},
	}},
	{calls: "setsockopt", do: Allow, when: [][]check{
		{is(1, unix.SOL_SOCKET), is(2, unix.SO_KEEPALIVE)},
		{is(1, unix.SOL_TCP), is(2, unix.TCP_NODELAY, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT,
			unix.TCP_USER_TIMEOUT)},
	}},
	// Whether the client is still there.
	{calls: "recvfrom", do: Allow, when: [][]check{{is(3, unix.MSG_PEEK|unix.MSG_DONTWAIT), is(4, 0)}}},
	{calls: "sched_getaffinity", do: Allow, when: [][]check{{is(0, 0)}}},

	// What a library may try, and do without.
	{calls: "open openat openat2 creat stat lstat newfstatat statx statfs access faccessat faccessat2 readlink " +
		"readlinkat unlink unlinkat rmdir mkdir mkdirat mknod mknodat rename renameat renameat2 link linkat symlink " +
		"symlinkat chmod fchmodat fchmodat2 chown lchown fchownat truncate utime utimes utimensat futimesat chdir " +
		"fchdir getcwd getxattr lgetxattr setxattr lsetxattr removexattr lremovexattr listxattr llistxattr " +
		"inotify_add_watch name_to_handle_at", do: Fail(unix.EACCES)},
	{calls: "ioctl", do: Fail(unix.ENOTTY)},
	{calls: "fsync fdatasync", do: Fail(unix.EINVAL)},
	{calls: "mprotect pkey_mprotect", do: Fail(unix.EPERM)},

	// What a library may try, and do without: Go asks for the name of the interface behind the zone of
	// an IPv6 address over netlink(7), and takes the number without an answer.
	{calls: "socket", when: [][]check{{is(0, unix.AF_NETLINK)}}, do: Fail(unix.EACCES), els: Kill},

	// What has no honest reason.
	{calls: "execve execveat fork vfork clone clone3 wait4 waitid socketpair connect bind listen accept " +
		"sendto sendmsg sendmmsg recvmmsg ptrace process_vm_readv process_vm_writev process_madvise " +
		"process_mrelease kcmp pidfd_open pidfd_getfd pidfd_send_signal tkill rt_sigqueueinfo " +
		"rt_tgsigqueueinfo setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups " +
		"capset setsid setpgid setrlimit prlimit64 setpriority sched_setaffinity sched_setattr " +
		"sched_setparam sched_setscheduler ioprio_set personality chroot pivot_root mount umount2 " +
		"mount_setattr move_mount open_tree open_tree_attr fsopen fsmount fsconfig fspick open_by_handle_at " +
		"unshare setns seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self bpf " +
		"perf_event_open userfaultfd memfd_create memfd_secret io_uring_setup io_uring_enter " +
		"io_uring_register io_setup io_submit io_getevents io_pgetevents io_cancel io_destroy splice tee " +
		"vmsplice sendfile copy_file_range shmget shmat shmctl shmdt semget semop semctl semtimedop msgget " +
		"msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr add_key " +
		"request_key keyctl init_module finit_module delete_module kexec_load kexec_file_load reboot swapon " +
		"swapoff acct quotactl quotactl_fd settimeofday clock_settime clock_adjtime adjtimex sethostname " +
		"setdomainname syslog ioperm iopl modify_ldt uselib fanotify_init fanotify_mark inotify_init " +
		"inotify_init1 lookup_dcookie vhangup nfsservctl remap_file_pages mlock mlock2 mlockall mbind " +
		"migrate_pages move_pages set_mempolicy timer_create timerfd_create signalfd signalfd4 eventfd " +
		"eventfd2 epoll_create epoll_create1 pipe pipe2 dup dup2 dup3", do: Kill},
}
