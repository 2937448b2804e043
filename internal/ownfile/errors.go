package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"

	"bulkhead/internal/human"
	"bulkhead/internal/plaintext"
)

// ErrLink says that there is a symbolic link.
var ErrLink = errors.New("it is a symbolic link, and those are not followed here")

// ErrOpenToAll says that every user may put files into a folder.
var ErrOpenToAll = errors.New("everybody may write to it")

// KindError says that what should be a regular file, or a folder, is something else.
type KindError struct{ Mode fs.FileMode }

// Error implements error.
func (e *KindError) Error() string { return "it is " + Kind(e.Mode) + ", and no regular file" }

// Kind returns what a file is in words, as "a named pipe".
func Kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeCharDevice != 0:
		return "a character device"
	case m&fs.ModeDevice != 0:
		return "a block device"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m.IsDir():
		return "a folder"
	default:
		return "a file"
	}
}

// SizeError says that a file holds more than it may.
type SizeError struct{ Most int64 }

// Error implements error.
func (e *SizeError) Error() string { return "it is larger than " + human.BriefSize(uint64(e.Most)) }

// ForeignError says that a file or folder belongs to another user.
type ForeignError struct{ UID uint32 }

// Error implements error.
func (e *ForeignError) Error() string { return "it belongs to " + UserName(e.UID) }

// UserName returns a user by name and number: "eve (uid 1001)".
func UserName(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(number); err == nil && u.Username != "" {
		return fmt.Sprintf("%s (uid %s)", plaintext.Line(u.Username, plaintext.MaxName), number)
	}
	return "uid " + number
}
