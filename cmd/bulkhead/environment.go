package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/config"
	"bulkhead/internal/pathname"
	"bulkhead/internal/program"
)

// maxUnknownVariables is how many unknown variables are named; an environment that has more
// got them from a machine, as Kubernetes does for a service of our name.
const maxUnknownVariables = 8

// logUnknownVariables warns of variables that look like settings and are not. Their values
// are never told: one may be a token under a wrong name.
func logUnknownVariables(log *slog.Logger) {
	eachUnknownVariable(func(text string) { log.Warn(text) })
}

// warnOfToken warns of a secret on the command line, which every user of the machine can read in the
// list of processes, and does not repeat it.
func warnOfToken(ctx *cli.Context, log *slog.Logger) {
	if ctx.IsSet("token") {
		log.Warn("--token: everybody on this machine can read it in the list of processes; use --token-file, " +
			"BULKHEAD_TOKEN, or token in the file of --config")
	}
}

// concealToken takes the token out of the environment that other processes of this user can look at
// while this one runs. It is a setting that has been read.
func concealToken(log *slog.Logger) {
	if err := program.Conceal(config.TokenVariable()); err != nil {
		log.Warn("the token can be read by other programs of this user", "error", err)
	}
}

// printUnknownVariables does the same for a command that has no log.
func printUnknownVariables(stderr io.Writer) {
	eachUnknownVariable(func(text string) { fmt.Fprintln(stderr, "bulkhead:", text) })
}

// eachUnknownVariable calls warn with a line for each unknown variable.
func eachUnknownVariable(warn func(text string)) {
	unknown := config.UnknownVariables(os.Environ())
	for i, v := range unknown {
		if i == maxUnknownVariables {
			warn(fmt.Sprintf("unknown environment variables beginning with BULKHEAD_, not named here: %d",
				len(unknown)-i))
			return
		}
		text := pathname.Printable(v.Name) + " is set in the environment and is no setting"
		if v.Meant != "" {
			text += "; did you mean " + v.Meant + "?"
		}
		warn(text)
	}
}
