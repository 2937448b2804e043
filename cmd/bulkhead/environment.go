package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"bulkhead/internal/config"
	"bulkhead/internal/pathname"
)

// maxUnknownVariables is how many unknown variables are named; an environment that has more
// got them from a machine, as Kubernetes does for a service of our name.
const maxUnknownVariables = 8

// logUnknownVariables warns of variables that look like settings and are none. Their values
// are never told: one may be a token under a wrong name.
func logUnknownVariables(log *slog.Logger) {
	eachUnknownVariable(func(text string) { log.Warn(text) })
}

// printUnknownVariables is logUnknownVariables for a command that has no log.
func printUnknownVariables(stderr io.Writer) {
	eachUnknownVariable(func(text string) { fmt.Fprintln(stderr, "bulkhead:", text) })
}

// eachUnknownVariable calls warn with a line for each unknown variable.
func eachUnknownVariable(warn func(text string)) {
	unknown := config.UnknownVariables(os.Environ())
	for i, v := range unknown {
		if i == maxUnknownVariables {
			warn(fmt.Sprintf("unknown environment variables beginning with BULKHEAD_, not named here: %d", len(unknown)-i))
			return
		}
		text := pathname.Printable(v.Name) + " is set in the environment and is no setting"
		if v.Meant != "" {
			text += "; did you mean " + v.Meant + "?"
		}
		warn(text)
	}
}
