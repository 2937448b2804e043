package upgrade

import (
	"fmt"
	"path/filepath"
)

// Edition is what tells one program from another.
type Edition struct{ Version, Build string }

// Edition returns which program it is.
func (f Fitness) Edition() Edition { return Edition{f.Version, f.Build} }

// String returns an edition for people: "0.1.0 (4f2a9c1d03e5), build 8Qp0vX2dLk7A".
func (e Edition) String() string {
	if e.Build == "" {
		return e.Version
	}
	return e.Version + ", build " + e.Build
}

// AnotherProgramError refuses an upgrade: the program at the path is not the one that asks
// for it, and so most likely not the one that is meant.
type AnotherProgramError struct {
	Path            string
	Is, Runs, Asker Edition
}

func (e *AnotherProgramError) Error() string {
	same := ""
	if e.Is == e.Runs {
		same = ", the same as runs now"
	}
	return fmt.Sprintf("%s is version %s%s, but this command is version %s; put the version that you mean at that "+
		"path, ask with the program there, or use --any-version",
		describePath(e.Path), e.Is, same, e.Asker)
}

// describePath returns a path, with where it leads if that is elsewhere.
func describePath(path string) string {
	if to := Resolved(path); to != path {
		return fmt.Sprintf("%s (%s)", path, to)
	}
	return path
}

// Resolved returns where a path leads; the path itself if that cannot be told.
func Resolved(path string) string {
	to, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	return to
}
