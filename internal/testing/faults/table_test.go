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
	spawnerProcess target = "spawner"
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
	allTargets = []target{handlerProcess, supervisorProc, spawnerProcess, clientParent, consumer, monitor,
		networkPath}
	allFaults = []fault{sigkill, sigstop, sigsegv, memory, files, reset, black, halfOpen, slow, diskFull, clock,
		upgrade, again}
	allMoments = []moment{inHello, underLoad, acking, inDrain, reporting}
)

// some selects cells: each list names the elements to take; an empty one takes all.
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

// String returns the cell's name as a subtest.
func (p place) String() string {
	return strings.NewReplacer(" ", "_", ",", "").Replace(fmt.Sprintf("%s/%s/%s", p.target, p.fault, p.moment))
}

// places returns every cell of the matrix.
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

// reason is why some cells cannot exist.
type reason struct {
	some
	why string
}

// impossible lists why cells cannot exist. The first reason that fits applies.
var impossible = []reason{
	{some{faults: []fault{clock}},
		"a test cannot step the clock of a machine that it shares, and time namespaces do not cover the wall clock. " +
			"Instead TestFiguresDoNotHangOnTheWallClock steps that of real programs, which are built with another " +
			"time.Now, and TestNothingIsDecidedByTheWallClock reads the source: no program computes with wall clocks"},
	{some{targets: []target{networkPath},
		faults: []fault{sigkill, sigstop, sigsegv, memory, files, diskFull, upgrade, again}},
		"a network path is not a process"},
	{some{targets: []target{handlerProcess, supervisorProc, spawnerProcess, clientParent, consumer, monitor},
		faults: []fault{reset, black, halfOpen, slow}},
		"a fault of the network path; it reaches a process through its connection"},
	{some{targets: []target{handlerProcess, spawnerProcess, monitor}, faults: []fault{diskFull}},
		"it writes no file"},
	{some{targets: []target{spawnerProcess}, moments: []moment{acking}},
		"a spawner takes no part in acking; the cell is the same as under load"},
	{some{targets: []target{spawnerProcess}, faults: []fault{memory}},
		"a request is bounded, and nothing is kept of it; the system's out-of-memory killer is SIGKILL"},
	{some{targets: []target{spawnerProcess}, faults: []fault{files}, moments: []moment{reporting}},
		"no handler is started while the report is built"},
	{some{targets: []target{clientParent, consumer, monitor, networkPath}, moments: []moment{reporting}},
		"the report is built when every session has ended: no client is connected"},
	{some{targets: []target{consumer, monitor}, moments: []moment{inHello}},
		"workers are started after the Welcome"},
	{some{targets: []target{consumer, monitor}, moments: []moment{acking}},
		"a worker takes no part in acking; the cell is the same as under load"},
	{some{targets: []target{consumer, monitor}, faults: []fault{memory}},
		"it allocates its memory at start, and nothing later needs more; what is left, the system's " +
			"out-of-memory killer, is SIGKILL"},
	{some{targets: []target{clientParent}, faults: []fault{memory}, moments: []moment{inHello, underLoad, inDrain}},
		"a client parent's memory grows only while acks are outstanding"},
	{some{targets: []target{clientParent}, faults: []fault{diskFull}, moments: []moment{inHello, underLoad, inDrain}},
		"a client parent writes to disk only while acks are outstanding: its spool"},
	{some{targets: []target{handlerProcess}, faults: []fault{sigstop, memory, files}, moments: []moment{reporting}},
		"handlers that are left while the report is built have no connection and wait for one; only their death can " +
			"be noticed"},
	{some{targets: []target{supervisorProc}, faults: []fault{memory}, moments: []moment{reporting}},
		"nothing arrives that could need memory; the system's out-of-memory killer is SIGKILL"},
	{some{targets: []target{handlerProcess, spawnerProcess, clientParent, consumer, monitor}, faults: []fault{upgrade}},
		"only a supervisor is replaced while it is at work"},
	{some{targets: []target{handlerProcess, spawnerProcess, clientParent, consumer, monitor}, faults: []fault{again}},
		"no other process resumes its work that could be killed meanwhile; what follows a handler is another " +
			"handler, and SIGKILL to that is the same again"},
}

// whyImpossible returns why a cell cannot exist; "" if it can.
func whyImpossible(at place) string {
	for _, r := range impossible {
		if r.has(at) {
			return r.why
		}
	}
	return ""
}

// want is what a cell expects of c.
type want struct {
	// outcome of its session: closed, lost or open; absent if it never became one.
	outcome string
	// cause is a regular expression for why, in the report.
	cause string
	// code is the supervisor's exit status.
	code int
	// resumes is how often the session is resumed, or atLeastOnce.
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

// promises lists what is promised for every possible cell. The first promise that fits
// applies.
var promises = []promise{
	// The spawner.
	{some{[]target{spawnerProcess}, nil, []moment{reporting}},
		want{outcome: closed, cause: goodbye, says: "nobody notices; the report is complete"}},
	{some{[]target{spawnerProcess}, nil, nil},
		want{outcome: closed, cause: goodbye,
			says: "the supervisor starts a handler itself, and another spawner; complete"}},
	// Handlers.
	{some{[]target{handlerProcess}, []fault{sigkill, sigsegv}, []moment{reporting}},
		want{outcome: closed, cause: goodbye, says: "nobody notices; the report is complete"}},
	{some{[]target{handlerProcess}, []fault{sigkill}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, exit: `^crash: killed by signal 9 \(SIGKILL\)`,
			says: "the client reconnects and is served; complete"}},
	{some{[]target{handlerProcess}, []fault{sigkill}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, exit: `^crash: killed by signal 9 \(SIGKILL\)`,
			says: "the session resumes on another handler; complete"}},
	{some{[]target{handlerProcess}, []fault{sigsegv}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, exit: "^crash: ",
			says: "the client reconnects and is served; complete"}},
	{some{[]target{handlerProcess}, []fault{sigsegv}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, exit: "^crash: ",
			says: "the session resumes on another handler; complete"}},
	{some{[]target{handlerProcess}, []fault{sigstop}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, exit: "^hang: ",
			says: "found within handler.hang_timeout and killed; the client reconnects and is served; complete"}},
	{some{[]target{handlerProcess}, []fault{sigstop}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, exit: "^hang: ",
			says: "found within handler.hang_timeout and killed; the session resumes on another handler; complete"}},
	{some{[]target{handlerProcess}, []fault{memory}, nil},
		want{outcome: closed, cause: goodbye, resumes: atLeastOnce,
			exit: "^oom: ",
			says: "it ends by its limit; the session resumes on another handler; complete"}},
	{some{[]target{handlerProcess}, []fault{files}, nil},
		want{outcome: closed, cause: goodbye, exit: "^clean: ",
			says: "a handler at work opens nothing: nobody notices; complete"}},

	// The supervisor.
	{some{[]target{supervisorProc}, []fault{sigstop}, nil},
		want{outcome: closed, cause: goodbye,
			says: "handlers keep what arrives; everything continues over the same connections; complete"}},
	{some{[]target{supervisorProc}, []fault{sigkill, sigsegv, memory}, []moment{reporting}},
		want{outcome: closed, cause: goodbye, says: "started again, it builds the report from the journal; complete"}},
	{some{[]target{supervisorProc}, []fault{sigkill, sigsegv, memory}, nil},
		want{outcome: closed, cause: goodbye, says: "started again, it recovers the journal and adopts its live " +
			"handlers: the same connections continue; complete"}},
	{some{[]target{supervisorProc}, []fault{files}, []moment{reporting}},
		want{outcome: closed, cause: goodbye, code: exitFailure,
			says: "exit status 1: the report cannot be written. The journal is whole, and bulkhead report builds the " +
				"report"}},
	{some{[]target{supervisorProc}, []fault{files}, []moment{inHello}},
		want{outcome: closed, cause: goodbye,
			says: "new connections wait in the kernel and are accepted when descriptors are free; sessions continue; " +
				"complete"}},
	{some{[]target{supervisorProc}, []fault{files}, nil},
		want{outcome: closed, cause: goodbye, says: "sessions continue; complete"}},
	{some{[]target{supervisorProc}, []fault{diskFull}, []moment{reporting}},
		want{outcome: closed, cause: goodbye, code: exitFailure,
			says: "exit status 1: the report cannot be written. The journal is whole, and bulkhead report builds the " +
				"report"}},
	{some{[]target{supervisorProc}, []fault{diskFull}, []moment{inHello}},
		want{outcome: absent, code: exitFailure,
			says: "exit status 1: acks stop, the run ends; everything acknowledged is in the journal"}},
	{some{[]target{supervisorProc}, []fault{diskFull}, nil},
		want{outcome: open, code: exitFailure,
			says: "exit status 1: acks stop, the run ends; everything acknowledged is in the journal"}},

	{some{[]target{supervisorProc}, []fault{upgrade}, []moment{reporting}},
		want{outcome: closed, cause: goodbye, says: "too late: the running program writes the report; complete"}},
	{some{[]target{supervisorProc}, []fault{upgrade}, nil},
		want{outcome: closed, cause: goodbye,
			says: "another program continues in the same process, with the same handlers, over the same connections; " +
				"complete"}},
	{some{[]target{supervisorProc}, []fault{again}, []moment{reporting}},
		want{outcome: closed, cause: goodbye,
			says: "the one that is not killed builds the report from the journal; complete"}},
	{some{[]target{supervisorProc}, []fault{again}, nil},
		want{outcome: closed, cause: goodbye, says: "killed at any moment of its recovery, and started again: the " +
			"next one continues from there, over the same connections; complete"}},

	// Client parents.
	{some{[]target{clientParent}, []fault{sigkill}, []moment{inHello}},
		want{outcome: absent, code: exitPartial, status: -9,
			says: "the client never joined; partial, and the report says so"}},
	{some{[]target{clientParent}, []fault{sigsegv}, []moment{inHello}},
		want{outcome: absent, code: exitPartial, status: crashed,
			says: "the client never joined; partial, and the report says so"}},
	{some{[]target{clientParent}, []fault{sigkill}, nil},
		want{outcome: lost, cause: "no connection for|client", code: exitPartial, status: -9,
			says: "its workers end within a second and remove their files; its session is lost after session.grace; " +
				"what was acknowledged is in the report"}},
	{some{[]target{clientParent}, []fault{sigsegv, memory}, nil},
		want{outcome: lost, cause: "no connection for|client", code: exitPartial, status: crashed,
			says: "its workers end within a second and remove their files; its session is lost after session.grace; " +
				"what was acknowledged is in the report"}},
	{some{[]target{clientParent}, []fault{sigstop}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, says: "it continues where it stopped; complete"}},
	{some{[]target{clientParent}, []fault{sigstop}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, detached: "sent nothing and answered no ping",
			says: "after session.client_timeout of silence it is away; it comes back, resumes and delivers " +
				"everything; complete"}},
	{some{[]target{clientParent}, []fault{files}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, code: exitPartial, status: 3,
			says: "none of its workers can start; it says what is missing and ends in order without a load, exit " +
				"status 3; partial, because it had no load"}},
	{some{[]target{clientParent}, []fault{files}, nil},
		want{outcome: closed, cause: goodbye, says: "a client at work opens nothing: nobody notices; complete"}},
	{some{[]target{clientParent}, []fault{diskFull}, nil},
		want{outcome: closed, cause: goodbye, code: exitPartial, status: 3,
			says: "the spool is full: the load ends, what was kept is delivered and the session closes; the client " +
				"says how many messages had no room and exits with 3; partial, and the report says why the " +
				"load ended"}},

	// Workers.
	{some{[]target{consumer, monitor}, []fault{sigkill}, nil},
		want{outcome: closed, cause: goodbye, code: exitPartial, status: 3,
			exit: `^crash: killed by signal 9 \(SIGKILL\)`, says: "named in the next heartbeat and in the report; " +
				"the other workers continue. The session closes; partial, because a worker is missing"}},
	{some{[]target{consumer, monitor}, []fault{sigsegv}, nil},
		want{outcome: closed, cause: goodbye, code: exitPartial, status: 3, exit: "^crash: ",
			says: "named in the next heartbeat and in the report; the other workers continue. The session closes; " +
				"partial, because a worker is missing"}},
	{some{[]target{consumer, monitor}, []fault{sigstop}, nil},
		want{outcome: closed, cause: goodbye, exit: "^clean: ",
			says: "missed in the heartbeats; the other workers continue, and so does it after SIGCONT; complete"}},
	{some{[]target{consumer}, []fault{files, diskFull}, []moment{inDrain}},
		want{outcome: closed, cause: goodbye, code: exitPartial, status: 3, exit: "^clean: ",
			says: "each failed operation is counted and its error reported; partial, because the consumer did not " +
				"recover until its end"}},
	{some{[]target{consumer}, []fault{files, diskFull}, nil},
		want{outcome: closed, cause: goodbye, status: 3, exit: "^clean: ",
			says: "each failed operation is counted and its error reported; it tries again, more slowly each " +
				"time, and continues when it can; complete. The client exits with 3, because writes failed"}},
	{some{[]target{monitor}, []fault{files}, nil},
		want{outcome: closed, cause: goodbye, exit: "^clean: ",
			says: "samples that cannot be taken are reported as such; complete"}},

	// The network.
	{some{[]target{networkPath}, []fault{reset, halfOpen}, []moment{inHello}},
		want{outcome: closed, cause: goodbye, says: "the client reconnects and is served; complete"}},
	{some{[]target{networkPath}, []fault{reset}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, detached: "reset the connection|^the client connected again$",
			says: "the session resumes over a new connection; complete"}},
	{some{[]target{networkPath}, []fault{black}, []moment{inHello}},
		want{outcome: closed, cause: goodbye,
			says: "given up after session.hello_timeout; the client reconnects and is served; complete"}},
	{some{[]target{networkPath}, []fault{black}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, detached: "sent nothing and answered no ping",
			says: "found within session.client_timeout; the session resumes when the network is back; complete"}},
	{some{[]target{networkPath}, []fault{halfOpen}, nil},
		want{outcome: closed, cause: goodbye, resumes: 1, detached: "closed the connection|without a Goodbye",
			says: "the session resumes over a new connection; complete"}},
	{some{[]target{networkPath}, []fault{slow}, nil},
		want{outcome: closed, cause: goodbye,
			says: "it takes longer over the same connection; the others keep their speed; complete"}},
}

// promised returns the promise for a cell.
func promised(at place) (want, bool) {
	for _, p := range promises {
		if p.has(at) {
			return p.want, true
		}
	}
	return want{}, false
}

// TestTheMatrixIsWhole checks that every cell has a promise or a reason why it cannot exist,
// and every promise and reason has a cell.
func TestTheMatrixIsWhole(t *testing.T) {
	usedReason, usedPromise := make(map[int]bool), make(map[int]bool)
	for _, at := range places() {
		if i := slices.IndexFunc(impossible, func(r reason) bool { return r.has(at) }); i >= 0 {
			usedReason[i] = true
			continue
		}
		i := slices.IndexFunc(promises, func(p promise) bool { return p.has(at) })
		if i < 0 {
			t.Errorf("%s has neither a promise nor a reason why it cannot exist", at)
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
