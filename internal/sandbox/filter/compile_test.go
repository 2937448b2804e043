package filter

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// run returns what the program of a machine makes of a call.
func run(t *testing.T, m Machine, number, audit uint32, args ...uint64) Action {
	t.Helper()
	p, err := Compile(m)
	if err != nil {
		t.Fatal(err)
	}
	code := make([]bpf.Instruction, len(p.Code))
	for i, raw := range p.Code {
		code[i] = raw.Disassemble()
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64) // struct seccomp_data, in words that the machine here reads as they are
	binary.BigEndian.PutUint32(data[atNumber:], number)
	binary.BigEndian.PutUint32(data[atArch:], audit)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[atArgs+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[atArgs+8*i+4:], uint32(a>>32))
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return Action(got)
}

// call is run for a call by its name.
func call(t *testing.T, m Machine, name string, args ...uint64) Action {
	t.Helper()
	n, ok := m.Number(name)
	if !ok {
		t.Fatalf("%s has no %s", m.Name, name)
	}
	return run(t, m, n, m.audit, args...)
}

func TestArguments(t *testing.T) {
	const (
		goThread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM |
			unix.CLONE_THREAD
		anon  = unix.MAP_ANON | unix.MAP_PRIVATE
		write = unix.PROT_READ | unix.PROT_WRITE
		high  = 1 << 32
	)
	for _, tt := range []struct {
		name string
		args []uint64
		want Action
	}{
		{"read", []uint64{7, 8, 9}, Allow},
		{"futex", []uint64{0, 128}, Allow},
		{"futex", []uint64{0, 129}, Allow},
		{"futex", []uint64{0, 0}, Unknown}, // shared with other processes
		{"futex", []uint64{0, 128 | high}, Unknown},
		{"mmap", []uint64{0, 1, write, anon}, Allow},
		{"mmap", []uint64{0, 1, write, anon | unix.MAP_FIXED}, Allow},
		{"mmap", []uint64{0, 1, write | unix.PROT_EXEC, anon}, Fail(unix.EPERM)},
		{"mmap", []uint64{0, 1, unix.PROT_EXEC, anon}, Fail(unix.EPERM)},
		{"mmap", []uint64{0, 1, write, unix.MAP_ANON | unix.MAP_SHARED}, Fail(unix.EPERM)},
		{"mmap", []uint64{0, 1, write, unix.MAP_PRIVATE}, Fail(unix.EPERM)},
		{"mmap", []uint64{0, 1, write, anon | unix.MAP_GROWSDOWN}, Fail(unix.EPERM)},
		{"mmap", []uint64{0, 1, write, anon | unix.MAP_LOCKED}, Fail(unix.EPERM)},
		{"mmap", []uint64{0, 1, write, anon | unix.MAP_HUGETLB}, Fail(unix.EPERM)},
		{"mmap", []uint64{0, 1, write, anon | high}, Fail(unix.EPERM)},
		{"mprotect", []uint64{0, 1, write}, Fail(unix.EPERM)},
		{"clone", []uint64{goThread}, Kill},
		{"clone", []uint64{uint64(unix.SIGCHLD)}, Kill},
		{"kill", []uint64{uint64(ownPid), 9}, Allow},
		{"kill", []uint64{1, 9}, Kill},
		{"kill", []uint64{0xffff_ffff, 9}, Kill}, // everybody
		{"kill", []uint64{0, 9}, Kill},           // the group
		{"tgkill", []uint64{uint64(ownPid), 2, 23}, Allow},
		{"tgkill", []uint64{1, 2, 23}, Kill},
		{"prctl", []uint64{unix.PR_SET_VMA, 0}, Allow},
		{"prctl", []uint64{unix.PR_SET_DUMPABLE, 1}, Kill},
		{"fcntl", []uint64{3, unix.F_DUPFD_CLOEXEC, 0}, Allow},
		{"fcntl", []uint64{3, unix.F_SETOWN, 1}, Unknown},
		{"fcntl", []uint64{3, unix.F_ADD_SEALS, 1}, Unknown},
		{"getsockopt", []uint64{3, unix.SOL_SOCKET, unix.SO_PEERCRED}, Allow},
		{"getsockopt", []uint64{3, unix.SOL_SOCKET, unix.SO_PEERPIDFD}, Unknown},
		{"getsockopt", []uint64{3, unix.SOL_TCP, unix.SO_PEERCRED}, Unknown},
		{"getsockopt", []uint64{3, unix.SOL_TCP, unix.TCP_ZEROCOPY_RECEIVE}, Unknown},
		{"setsockopt", []uint64{3, unix.SOL_TCP, unix.TCP_NODELAY}, Allow},
		{"setsockopt", []uint64{3, unix.SOL_SOCKET, unix.SO_KEEPALIVE}, Allow},
		{"setsockopt", []uint64{3, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE}, Unknown},
		{"setsockopt", []uint64{3, unix.SOL_TCP, unix.TCP_ULP}, Unknown},
		{"setsockopt", []uint64{3, unix.SOL_TCP, unix.TCP_REPAIR}, Unknown},
		{"recvfrom", []uint64{3, 0, 1, unix.MSG_PEEK | unix.MSG_DONTWAIT, 0}, Allow},
		{"recvfrom", []uint64{3, 0, 1, unix.MSG_PEEK, 0}, Unknown},
		{"sched_getaffinity", []uint64{0}, Allow},
		{"sched_getaffinity", []uint64{1}, Unknown},
		{"openat", nil, Fail(unix.EACCES)},
		{"ioctl", []uint64{0, unix.TIOCSTI}, Fail(unix.ENOTTY)},
		{"execve", nil, Kill},
		{"socket", nil, Kill},
		{"socket", []uint64{unix.AF_INET6, unix.SOCK_STREAM}, Kill},
		{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW}, Fail(unix.EACCES)},
		{"io_uring_setup", nil, Kill},
		{"seccomp", nil, Kill},
		{"getuid", nil, Unknown},
	} {
		for _, m := range Machines() {
			if got := call(t, m, tt.name, tt.args...); got != tt.want {
				t.Errorf("%s: %s%x: %#x; want %#x", m.Name, tt.name, tt.args, got, tt.want)
			}
		}
	}
}

// A program of another kind than ours, for which the numbers mean something else, makes no call.
func TestOtherPrograms(t *testing.T) {
	amd64, arm64 := Machines()[0], Machines()[1]
	read, _ := amd64.Number("read")
	for name, got := range map[string]Action{
		"i386":            run(t, amd64, 3, unix.AUDIT_ARCH_I386),
		"x32":             run(t, amd64, read|0x4000_0000, unix.AUDIT_ARCH_X86_64),
		"no number":       run(t, amd64, 0xffff_ffff, unix.AUDIT_ARCH_X86_64),
		"arm":             run(t, arm64, 3, unix.AUDIT_ARCH_ARM),
		"amd64 for arm64": run(t, arm64, read, unix.AUDIT_ARCH_X86_64),
	} {
		if got != Kill {
			t.Errorf("%s: %#x; want the end of the process", name, got)
		}
	}
	for _, m := range Machines() {
		if got := run(t, m, 0x0fff_ffff, m.audit); got != Unknown {
			t.Errorf("%s: a call of a kernel to come: %#x; want an error", m.Name, got)
		}
	}
}

// What is allowed whatever its arguments are is listed here again: no call comes in unnoticed.
func TestWhatIsAllowed(t *testing.T) {
	want := map[string]bool{}
	for _, name := range []string{
		"accept4", "clock_getres", "clock_gettime", "clock_nanosleep", "close", "epoll_ctl", "epoll_pwait", "exit",
		"exit_group", "getpeername", "getpid", "getrandom", "getsockname", "gettid", "gettimeofday", "munmap",
		"nanosleep", "poll", "ppoll", "read", "recvmsg", "restart_syscall", "rt_sigaction", "rt_sigprocmask",
		"rt_sigreturn", "sched_yield", "shutdown", "sigaltstack", "write",
	} {
		want[name] = true
	}
	for _, m := range Machines() {
		for name := range numbers {
			n, ok := m.Number(name)
			if !ok {
				continue
			}
			odd := uint64(0x5a5a_5a5a_5a5a_5a5a)
			got := run(t, m, n, m.audit, odd, odd, odd, odd, odd, odd)
			if (got == Allow) != want[name] {
				t.Errorf("%s: %s with any arguments: %#x; listed as allowed: %v", m.Name, name, got, want[name])
			}
		}
	}
}

// The numbers are those of x/sys, for every machine.
func TestNumbers(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	constant := regexp.MustCompile(`(?m)^\s+SYS_(\w+)\s+= (\d+)$`)
	for _, m := range Machines() {
		file := filepath.Join(strings.TrimSpace(string(out)), "unix", "zsysnum_linux_"+m.Name+".go")
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, match := range constant.FindAllStringSubmatch(string(source), -1) {
			name := strings.ToLower(match[1])
			if name == "arch_specific_syscall" { // where those of a machine begin
				continue
			}
			found++
			if n, ok := m.Number(name); !ok || strconv.Itoa(int(n)) != match[2] {
				t.Errorf("%s has number %d, %v on %s; want %s", name, n, ok, m.Name, match[2])
			}
		}
		if found < 300 {
			t.Errorf("%s names %d calls; these are not all", file, found)
		}
	}
}
