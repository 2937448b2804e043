package supervisor

import (
	"fmt"
	"path/filepath"
)

// edition is what tells one program from another.
type edition struct{ version, build string }

func (f Fitness) edition() edition { return edition{f.Version, f.Build} }

// String is "0.1.0 (4f2a9c1d03e5), build 8Qp0vX2dLk7A".
func (e edition) String() string {
	if e.build == "" {
		return e.version
	}
	return e.version + ", build " + e.build
}

// anotherProgramError refuses an upgrade: the program at the path is not the one that asks
// for it, and so most likely not the one that is meant.
type anotherProgramError struct {
	path            string
	is, runs, asker edition
}

func (e *anotherProgramError) Error() string {
	same := ""
	if e.is == e.runs {
		same = ", the same as runs now"
	}
	return fmt.Sprintf("%s is version %s%s, but this command is version %s; put the version that you mean at that path, ask with the program there, or go on with --any-version",
		describePath(e.path), e.is, same, e.asker)
}

// describePath is a path, with where it leads if that is elsewhere.
func describePath(path string) string {
	if to := resolved(path); to != path {
		return fmt.Sprintf("%s (%s)", path, to)
	}
	return path
}

// resolved is where a path leads; the path itself if that cannot be told.
func resolved(path string) string {
	to, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	return to
}
