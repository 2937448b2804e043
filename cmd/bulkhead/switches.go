package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// switchesJoined joins switches with their values where these are arguments of their own:
// --keep-running false becomes --keep-running=false. The flag parser takes no such value, and
// would see an argument that nobody wants.
func switchesJoined(app *cli.App, args []string) []string {
	switches := make(map[string]bool)
	addSwitches(switches, app.Flags, app.Commands)
	var out []string
	for in := args; len(in) > 0; in = in[1:] {
		a := in[0]
		if a == "--" {
			return append(out, in...)
		}
		if len(in) > 1 && strings.HasPrefix(a, "-") && switches[strings.TrimLeft(a, "-")] && (in[1] == "true" || in[1] == "false") {
			a += "=" + in[1]
			in = in[1:]
		}
		out = append(out, a)
	}
	return out
}

// addSwitches adds the names of all flags that may stand alone.
func addSwitches(to map[string]bool, flags []cli.Flag, commands []*cli.Command) {
	for _, f := range flags {
		alone := false
		switch f := f.(type) {
		case *cli.BoolFlag:
			alone = true
		case *cli.GenericFlag:
			s, ok := f.Value.(*setting)
			alone = ok && s.isSwitch
		}
		for _, name := range f.Names() {
			to[name] = to[name] || alone
		}
	}
	for _, c := range commands {
		addSwitches(to, c.Flags, c.Subcommands)
	}
}
