// Package version names this build of Bulkhead.
package version

import "runtime/debug"

// Number is the version of the program.
const Number = "0.1.0"

// String returns the version with the commit it was built from, where that is known,
// such as "0.1.0 (4f2a9c1d03e5)".
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Number
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = ", modified"
		}
	}
	if commit == "" {
		return Number
	}
	return Number + " (" + commit + dirty + ")"
}
