// Package exitstatus names the exit statuses of every program of Bulkhead.
//
// Usage and Config are those of sysexits.h. 2 is none of ours, and must never become
// one: it is what Go's runtime exits with when a program dies (a panic, a fault, no
// memory, no thread), and a service manager must tell a crash, after which another start
// helps, from a mistake, after which it does not.
package exitstatus

import "errors"

// ErrConfig is wrapped by a supervisor's errors that say that the configuration cannot work:
// nothing was started, and it does not get better by itself. The exit status is Config.
var ErrConfig = errors.New("configuration cannot work")

const (
	// Complete says that all went as it was asked for.
	Complete = 0
	// Failure says that it could not be done or continued; another try may do better.
	Failure = 1
	// Partial says that something is missing, and the program has said what; or that an
	// assertion does not hold.
	Partial = 3
	// Interrupted says that the load or the run was whole as far as it went, and that
	// an operator cut it short. Partial wins where something is also missing.
	Interrupted = 4
	// Usage says that the command line makes no sense; nothing was started. EX_USAGE.
	Usage = 64
	// Config says that a setting (of a flag, the environment or a file) makes no sense or
	// cannot work; nothing was started, and it does not get better by itself. EX_CONFIG.
	Config = 78
)

// Worse returns the worse of two exit statuses of runs.
func Worse(a, b uint32) uint32 {
	for _, worst := range []uint32{Failure, Partial, Interrupted} {
		if a == worst || b == worst {
			return worst
		}
	}
	return max(a, b)
}
