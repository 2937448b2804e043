package conduct

import (
	"syscall"

	"bulkhead/internal/child"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// CrashedByClient reports whether a handler's end may be its client's doing: not what
// somebody on this machine asked for.
func CrashedByClient(e child.Exit) bool {
	switch e.Class() {
	case bulkheadv1.ExitClass_EXIT_CLASS_OOM, bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX,
		bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL:
		return true
	case bulkheadv1.ExitClass_EXIT_CLASS_CRASH:
		return !sentByPerson(e.Signal)
	default:
		return false
	}
}

// Suspicious reports whether a handler's death may be the doing of its client: it broke
// the protocol with the supervisor, or it died by itself at work on a frame.
func Suspicious(x *bulkheadv1.HandlerExited) bool {
	exit := x.GetExit()
	switch exit.GetClass() {
	case bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL, bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX:
		return true
	case bulkheadv1.ExitClass_EXIT_CLASS_CRASH:
		return x.GetAtWork() && !sentByPerson(syscall.Signal(exit.GetSignal()))
	case bulkheadv1.ExitClass_EXIT_CLASS_OOM, bulkheadv1.ExitClass_EXIT_CLASS_HANG:
		return x.GetAtWork()
	default:
		return false
	}
}

// sentByPerson reports whether a signal is one that people send: no fault of a program
// raises it.
func sentByPerson(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT:
		return true
	default:
		return false
	}
}
