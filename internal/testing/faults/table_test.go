package faults_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// target is what is broken.
type target string

// fault is how it is broken.
type fault string

// moment is when.
type moment string

const (
	handlerProcess target = "handler"
	supervisorProc target = "supervisor"
	clientParent   target = "client parent"
	consumer       target = "consumer"
	monitor        target = "monitor"
	networkPath    target = "network path"

	sigkill  fault = "SIGKILL"
	sigstop  fault = "SIGSTOP, SIGCONT"
	sigsegv  fault = "SIGSEGV"
	memory   fault = "memory blow-up"
	files    fault = "fd exhaustion"
	reset    fault = "connection reset"
	black    fault = "black-holed network"
	halfOpen fault = "half-open"
	slow     fault = "slow link"
	diskFull fault = "disk full"
	clock    fault = "clock step"
	upgrade  fault = "upgrade"
	again    fault = "SIGKILL again and again"

	inHello   moment = "during hello"
	underLoad moment = "under load"
	acking    moment = "while acking"
	inDrain   moment = "during drain"
	reporting moment = "while reporting"
)

var (
	allTargets = []target{handlerProcess, supervisorProc, clientParent, consumer, monitor, networkPath}
	allFaults  = []fault{sigkill, sigstop, sigsegv, memory, files, reset, black, halfOpen, slow, diskFull, clock, upgrade, again}
	allMoments = []moment{inHello, underLoad, acking, inDrain, reporting}
)

// some says of the lists which an element must be in; an empty one takes all.
type some struct {
	targets []target
	faults  []fault
	moments []moment
}

func (s some) has(at place) bool {
	return (s.targets == nil || slices.Contains(s.targets, at.target)) &&
		(s.faults == nil || slices.Contains(s.faults, at.fault)) &&
		(s.moments == nil || slices.Contains(s.moments, at.moment))
}

// place is a cell's place in the matrix.
type place struct {
	target target
	fault  fault
	moment moment
}

// String is the cell's name as a subtest.
func (p place) String() string {
	return strings.NewReplacer(" ", "_", ",", "").Replace(fmt.Sprintf("%s/%s/%s", p.target, p.fault, p.moment))
}

// places is the whole matrix.
func places() []place {
	var out []place
	for _, t := range allTargets {
		for _, f := range allFaults {
			for _, m := range allMoments {
				out = append(out, place{t, f, m})
			}
		}
	}
	return out
}

// reason says why some cells cannot be.
type reason struct {
	some
	why string
}

// impossible is why cells cannot be. The first that fits is the reason.
var impossible = []reason{
	{some{faults: []fault{clock}},
		"a test cannot step the clock of a machine that it shares, and time namespaces do not cover the wall clock. Instead TestFiguresDoNotHangOnTheWallClock steps that of real programs, which are built with another time.Now, and TestNothingIsDecidedByTheWallClock reads the source: no program computes with wall clocks"},
	{some{targets: []target{networkPath}, faults: []fault{sigkill, sigstop, sigsegv, memory, files, diskFull, upgrade, again}},
		"a network path is no process"},
	{some{targets: []target{handlerProcess, supervisorProc, clientParent, consumer, monitor}, faults: []fault{reset, black, halfOpen, slow}},
		"a fault of the network path; a process has it through its connection"},
	{some{targets: []target{handlerProcess, monitor}, faults: []fault{diskFull}},
		"it writes no file"},
	{some{targets: []target{clientParent, consumer, monitor, networkPath}, moments: []moment{reporting}},
		"the report is made when every session has ended: no client is connected any more"},
	{some{targets: []target{consumer, monitor}, moments: []moment{inHello}},
		"workers are started after the Welcome"},
	{some{targets: []target{consumer, monitor}, moments: []moment{acking}},
		"a worker takes no part in acking; it is the same as under load"},
	{some{targets: []target{consumer, monitor}, faults: []fault{memory}},
		"its memory is allocated as it starts and depends on nothing that comes later; what is left, the system's out-of-memory killer, is SIGKILL"},
	{some{targets: []target{clientParent}, faults: []fault{memory}, moments: []moment{inHello, underLoad, inDrain}},
		"a client parent's memory grows only while acks are outstanding"},
	{some{targets: []target{clientParent}, faults: []fault{diskFull}, moments: []moment{inHello, underLoad, inDrain}},
		"a client parent writes to disk only while acks are outstanding: its spool"},
	{some{targets: []target{handlerProcess}, faults: []fault{sigstop, memory, files}, moments: []moment{reporting}},
		"handlers that are left while the report is made have no connection and wait for one; only their death can be noticed"},
	{some{targets: []target{supervisorProc}, faults: []fault{memory}, moments: []moment{reporting}},
		"nothing comes in any more that could need memory; the system's out-of-memory killer is SIGKILL"},
	{some{targets: []target{handlerProcess, clientParent, consumer, monitor}, faults: []fault{upgrade}},
		"only a supervisor is replaced while it is at work"},
	{some{targets: []target{handlerProcess, clientParent, consumer, monitor}, faults: []fault{again}},
		"no other process takes its work up that could be killed in doing so; what follows a handler is another handler, and SIGKILL to that is the same again"},
}

// whyImpossible is why a cell cannot be; "" if it can.
func whyImpossible(at place) string {
	for _, r := range impossible {
		if r.has(at) {
			return r.why
		}
	}
	return ""
}

// want is what must come of c in a cell.
type want struct {
	// outcome of its session: closed, lost or open; absent if it never became one.
	outcome string
	// cause is a regular expression for why, in the report.
	cause string
	// code is the supervisor's exit status.
	code int
	// resumes is how often the session is taken up again, or
	// atLeastOnce.
	resumes int
	// detached is a regular expression for why it lost its first connection.
	detached string
	// exit is a regular expression for the class and the cause of the end of the
	// process that was broken: the handler's or the worker's.
	exit string
	// status is the exit status of c, when it is a real client.
	status int
	// says is what the cell promises, in words.
	says string
}

const (
	atLeastOnce = -1

	absent = "absent"
	closed = "closed"
	lost   = "lost"
	open   = "open"
)

// promise is what is promised for some cells.
type promise struct {
	some
	want
}

const goodbye = "^said goodbye$"

// promises is what is promised for every cell that can be. The first that fits is
// the cell's.
var promises = []promise{
	// Handlers.
	{some{[]target{handlerProcess}, []fault{sigkill, sigsegv}, []moment{reporting}},
		want{outcome: closed, cause: goodbye, says: "nobody notices; the report is complete"}},
	{some{[]target{handlerProcess}, []fault{sigkill}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, exit: `^crash: killed by signal 9 \(SIGKILL\)`, says: "the client connects again and is served; complete"}},
	{some{[]target{handlerProcess}, []fault{sigkill}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, exit: `^crash: killed by signal 9 \(SIGKILL\)`, says: "the session resumes on another handler; complete"}},
	{some{[]target{handlerProcess}, []fault{sigsegv}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, exit: "^crash: ", says: "the client connects again and is served; complete"}},
	{some{[]target{handlerProcess}, []fault{sigsegv}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, exit: "^crash: ", says: "the session resumes on another handler; complete"}},
	{some{[]target{handlerProcess}, []fault{sigstop}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, exit: "^hang: ", says: "found within handler.hang_timeout and killed; the client connects again and is served; complete"}},
	{some{[]target{handlerProcess}, []fault{sigstop}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, exit: "^hang: ", says: "found within handler.hang_timeout and killed; the session resumes on another handler; complete"}},
	// Go's garbage collector (1.26) does not check whether it got memory for a queue of
	// its own (runtime.(*spanQueue).drain); such an end is a crash, as far as it shows.
	{some{[]target{handlerProcess}, []fault{memory}, nil},
		want{outcome: closed, cause: goodbye, resumes: atLeastOnce, exit: "^oom: |^crash: .*: SIGSEGV: segmentation violation", says: "it ends by its limit; the session resumes on another handler; complete"}},
	{some{[]target{handlerProcess}, []fault{files}, nil},
		want{outcome: closed, cause: goodbye, exit: "^clean: ", says: "a handler at work opens nothing: nobody notices; complete"}},

	// The supervisor.
	{some{[]target{supervisorProc}, []fault{sigstop}, nil},
		want{outcome: closed, cause: goodbye, says: "handlers hold what comes; all goes on over the same connections; complete"}},
	{some{[]target{supervisorProc}, []fault{sigkill, sigsegv, memory}, []moment{reporting}},
		want{outcome: closed, cause: goodbye, says: "started again, it makes the report from the journal; complete"}},
	{some{[]target{supervisorProc}, []fault{sigkill, sigsegv, memory}, nil},
		want{outcome: closed, cause: goodbye, says: "started again, it recovers the journal and takes its live handlers up: the same connections go on; complete"}},
	{some{[]target{supervisorProc}, []fault{files}, []moment{reporting}},
		want{outcome: closed, cause: goodbye, code: exitFailure, says: "exit status 1: the report cannot be written. The journal is whole, and bulkhead report makes the report"}},
	{some{[]target{supervisorProc}, []fault{files}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, says: "new connections wait in the kernel and are accepted when descriptors are free; sessions go on; complete"}},
	{some{[]target{supervisorProc}, []fault{files}, nil},
		want{outcome: closed, cause: goodbye, says: "sessions go on; complete"}},
	{some{[]target{supervisorProc}, []fault{diskFull}, []moment{reporting}},
		want{outcome: closed, cause: goodbye, code: exitFailure, says: "exit status 1: the report cannot be written. The journal is whole, and bulkhead report makes the report"}},
	{some{[]target{supervisorProc}, []fault{diskFull}, []moment{inHello}},
		want{outcome: absent, code: exitFailure, says: "exit status 1: acks stop, the run ends; everything acknowledged is in the journal"}},
	{some{[]target{supervisorProc}, []fault{diskFull}, nil},
		want{outcome: open, code: exitFailure, says: "exit status 1: acks stop, the run ends; everything acknowledged is in the journal"}},

	{some{[]target{supervisorProc}, []fault{upgrade}, []moment{reporting}},
		want{outcome: closed, cause: goodbye, says: "too late: the report is made by the program that runs; complete"}},
	{some{[]target{supervisorProc}, []fault{upgrade}, nil},
		want{outcome: closed, cause: goodbye, says: "another program goes on in the same process, with the same handlers, over the same connections; complete"}},
	{some{[]target{supervisorProc}, []fault{again}, []moment{reporting}},
		want{outcome: closed, cause: goodbye, says: "whichever is left alone makes the report from the journal; complete"}},
	{some{[]target{supervisorProc}, []fault{again}, nil},
		want{outcome: closed, cause: goodbye, says: "killed at any moment of its recovery, and started again: the next one goes on from there, over the same connections; complete"}},

	// Client parents.
	{some{[]target{clientParent}, []fault{sigkill}, []moment{inHello}},
		want{outcome: absent, code: exitPartial, status: -9, says: "the client never joined; partial, and the report says so"}},
	{some{[]target{clientParent}, []fault{sigsegv}, []moment{inHello}},
		want{outcome: absent, code: exitPartial, status: crashed, says: "the client never joined; partial, and the report says so"}},
	{some{[]target{clientParent}, []fault{sigkill}, nil},
		want{outcome: lost, cause: "no connection for|client", code: exitPartial, status: -9, says: "its workers end within a second and remove their files; its session is lost after session.grace; what was acknowledged is in the report"}},
	{some{[]target{clientParent}, []fault{sigsegv, memory}, nil},
		want{outcome: lost, cause: "no connection for|client", code: exitPartial, status: crashed, says: "its workers end within a second and remove their files; its session is lost after session.grace; what was acknowledged is in the report"}},
	{some{[]target{clientParent}, []fault{sigstop}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, says: "it goes on where it stopped; complete"}},
	{some{[]target{clientParent}, []fault{sigstop}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, detached: "sent nothing and answered no ping", says: "silent for session.client_timeout it is away; it comes back, resumes and delivers everything; complete"}},
	{some{[]target{clientParent}, []fault{files}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, code: exitPartial, status: 3, says: "none of its workers can start; it says what is missing and ends in order without a load, exit status 3; partial, because it had no load"}},
	{some{[]target{clientParent}, []fault{files}, nil},
		want{outcome: closed, cause: goodbye, says: "a client at work opens nothing: nobody notices; complete"}},
	{some{[]target{clientParent}, []fault{diskFull}, nil},
		want{outcome: closed, cause: goodbye, code: exitPartial, status: 3, says: "the spool is full: the load ends, what was kept is delivered and the session closes; the client says how many messages had no room and exits with 3; partial, and the report says why the load ended"}},

	// Workers.
	{some{[]target{consumer, monitor}, []fault{sigkill}, nil},
		want{outcome: closed, cause: goodbye, code: exitPartial, status: 3, exit: `^crash: killed by signal 9 \(SIGKILL\)`, says: "named in the next heartbeat and in the report; the other workers go on. The session closes; partial, because a worker is missing"}},
	{some{[]target{consumer, monitor}, []fault{sigsegv}, nil},
		want{outcome: closed, cause: goodbye, code: exitPartial, status: 3, exit: "^crash: ", says: "named in the next heartbeat and in the report; the other workers go on. The session closes; partial, because a worker is missing"}},
	{some{[]target{consumer, monitor}, []fault{sigstop}, nil},
		want{outcome: closed, cause: goodbye, exit: "^clean: ", says: "missed in the heartbeats; the other workers go on, and it does when it is continued; complete"}},
	{some{[]target{consumer}, []fault{files, diskFull}, []moment{inDrain}},
		want{outcome: closed, cause: goodbye, code: exitPartial, status: 3, exit: "^clean: ", says: "each failed operation is counted and its error told; partial, because the consumer did not recover until its end"}},
	{some{[]target{consumer}, []fault{files, diskFull}, nil},
		want{outcome: closed, cause: goodbye, status: 3, exit: "^clean: ", says: "each failed operation is counted and its error told; it tries again, more slowly each time, and goes on when it can; complete. The client exits with 3, because writes failed"}},
	{some{[]target{monitor}, []fault{files}, nil},
		want{outcome: closed, cause: goodbye, exit: "^clean: ", says: "samples that cannot be taken are reported as such; complete"}},

	// The network.
	{some{[]target{networkPath}, []fault{reset, halfOpen}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, says: "the client connects again and is served; complete"}},
	{some{[]target{networkPath}, []fault{reset}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, detached: "reset the connection|^the client connected again$", says: "the session resumes over a new connection; complete"}},
	{some{[]target{networkPath}, []fault{black}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, says: "given up after session.hello_timeout; the client connects again and is served; complete"}},
	{some{[]target{networkPath}, []fault{black}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, detached: "sent nothing and answered no ping", says: "found within session.client_timeout; the session resumes when the network is back; complete"}},
	{some{[]target{networkPath}, []fault{halfOpen}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, detached: "closed the connection|without a Goodbye", says: "the session resumes over a new connection; complete"}},
	{some{[]target{networkPath}, []fault{slow}, nil},
		want{outcome: closed, cause: goodbye, says: "it takes longer over the same connection; the others keep their speed; complete"}},
}

// promised is what is promised for a cell.
func promised(at place) (want, bool) {
	for _, p := range promises {
		if p.has(at) {
			return p.want, true
		}
	}
	return want{}, false
}

// Every cell has a promise or a reason why it cannot be, and every promise and
// reason has a cell.
func TestTheMatrixIsWhole(t *testing.T) {
	usedReason, usedPromise := make(map[int]bool), make(map[int]bool)
	for _, at := range places() {
		if i := slices.IndexFunc(impossible, func(r reason) bool { return r.has(at) }); i >= 0 {
			usedReason[i] = true
			continue
		}
		i := slices.IndexFunc(promises, func(p promise) bool { return p.has(at) })
		if i < 0 {
			t.Errorf("%s has neither a promise nor a reason why it cannot be", at)
		}
		usedPromise[i] = true
	}
	for i, r := range impossible {
		if !usedReason[i] {
			t.Errorf("no cell has the reason %q", r.why)
		}
	}
	for i, p := range promises {
		if !usedPromise[i] {
			t.Errorf("no cell has promise %d: %v %q", i, p.some, p.says)
		}
	}
}
