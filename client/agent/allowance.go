package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bulkhead/internal/config/value"
	"bulkhead/internal/pathname"
)

// Allowance is a folder below which loads may write, and how much of it they may take up at once.
type Allowance struct {
	// Path is absolute, and has no links in it.
	Path  string
	Bytes uint64
}

// Resolve returns an allowance whose path leads where it leads now: where its links lead later is not
// allowed.
func Resolve(of value.Allowance) (Allowance, error) {
	path, err := filepath.EvalSymlinks(of.Path)
	var failed *fs.PathError
	switch {
	case errors.As(err, &failed):
		return Allowance{}, fmt.Errorf("allow: %s: %w", pathname.Printable(failed.Path), failed.Err)
	case err != nil:
		return Allowance{}, fmt.Errorf("allow: %s: %w", pathname.Printable(of.Path), err)
	}
	switch info, err := os.Stat(path); {
	case err != nil:
		return Allowance{}, fmt.Errorf("allow: %w", err)
	case !info.IsDir():
		return Allowance{}, fmt.Errorf("allow: %s is no folder", pathname.Printable(path))
	case path == "/":
		return Allowance{}, fmt.Errorf("allow: %s leads to /, the whole machine; allow a folder that is there for "+
			"tests", pathname.Printable(of.Path))
	}
	return Allowance{Path: path, Bytes: uint64(of.Size)}, nil
}

// has reports whether a path is below the folder, or at it, by its name alone.
func (a Allowance) has(path string) bool {
	return path == a.Path || strings.HasPrefix(path, a.Path+"/")
}

// above returns the innermost of the allowances that a path is below, or at, by its name alone; nil
// if it is below none. The path is absolute and clean.
func above(allowances []Allowance, path string) *Allowance {
	var found *Allowance
	for i, a := range allowances {
		if a.has(path) && (found == nil || len(a.Path) > len(found.Path)) {
			found = &allowances[i]
		}
	}
	return found
}
