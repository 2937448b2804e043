package version

import "runtime"

// Line returns what a program prints that is asked for its version: its name, the version,
// what tells builds of it apart, Go's version and the platform.
func Line(program string) string {
	line := program + " " + String()
	if build := Build(); build != "" {
		line += " build " + build
	}
	return line + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
