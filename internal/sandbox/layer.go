package sandbox

import "fmt"

// Level is how much a supervisor insists on.
type Level string

const (
	// Strict starts no handler that lacks a layer.
	Strict Level = "strict"
	// BestEffort starts handlers that lack some, and says which.
	BestEffort Level = "best-effort"
	// Off starts handlers that lock nothing.
	Off Level = "off"
)

// Layer is one of the walls around a handler.
type Layer uint8

// The layers, in the order in which a handler puts them up. Namespaces are there before: whoever
// starts it is in them.
const (
	Namespaces Layer = 1 + iota
	Limits
	Root
	User
	Capabilities
	Privileges
	Landlock
	Hidden
	Calls
)

// Wall describes a layer.
type Wall struct {
	Layer Layer
	// Name is what logs, reports and pages call it.
	Name string
	// Does says what it does, and how by what of the kernel.
	Does, How string
	// ForRoot says that only a supervisor that is root has it.
	ForRoot bool
}

// walls has every layer, in order: documents, status and probes follow it.
var walls = [...]Wall{
	{Namespaces, "namespaces", "no network interface, no System V objects of others", "unshare(2)", true},
	{Limits, "limits", "bounded memory and descriptors; no file grows, no process or thread begins; " +
		"lower priority than the supervisor's", "setrlimit(2), setpriority(2)", false},
	{Root, "root", "no file system but a folder that it may not enter", "chroot(2)", true},
	{User, "user", "another user than the supervisor's, which owns nothing", "setresuid(2)", true},
	{Capabilities, "capabilities", "none", "capset(2)", false},
	{Privileges, "privileges", "no program that it could execute gives it any", "PR_SET_NO_NEW_PRIVS, prctl(2)", false},
	{Landlock, "landlock", "no file can be opened, made or removed, no TCP port bound or connected to, no process " +
		"outside signalled", "landlock(7)", false},
	{Hidden, "hidden", "no core dump; others of its user cannot look into it", "PR_SET_DUMPABLE, prctl(2)", true},
	{Calls, "system calls", "some 50 of 380 system calls, with arguments that are checked; most others end the process",
		"seccomp(2)", false},
}

// Walls returns every layer, in order.
func Walls() []Wall { return walls[:] }

// String returns the layer's name.
func (l Layer) String() string {
	for _, w := range walls {
		if w.Layer == l {
			return w.Name
		}
	}
	return fmt.Sprintf("layer %d", l)
}
