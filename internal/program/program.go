// Package program finds the program that runs here again: the path and the arguments that it
// was started with. It takes secrets out of the environment that others can see.
package program

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Running returns the path by which this program was started, and its arguments: what an
// upgrade executes. Symbolic links in the path are kept, so that it leads to a new version
// when they do. next says that this program took the place of another one of the same
// path, which may lead elsewhere again by now.
func Running(next bool) ([]string, error) {
	real, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	path, ok := invokedPath(os.Args[0])
	if !ok || !next && !sameFile(path, "/proc/self/exe") { // whoever started it gave it another name
		path = strings.TrimSuffix(real, " (deleted)")
	}
	return append([]string{path}, os.Args[1:]...), nil
}

// invokedPath returns the absolute path that a program's own name leads to, as the shell that
// started it found it.
func invokedPath(name string) (path string, ok bool) {
	if !strings.Contains(name, "/") {
		found, err := exec.LookPath(name)
		if err != nil && !errors.Is(err, exec.ErrDot) { // with "." in PATH a shell finds it as well
			return "", false
		}
		name = found
	}
	if filepath.IsAbs(name) {
		return name, true
	}
	dir, err := os.Getwd() // as the shell sees it, with its symbolic links
	if err != nil {
		return "", false
	}
	// not cleaned: "current/.." is not here if current is a link
	return dir + "/" + strings.TrimPrefix(name, "./"), true
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}
