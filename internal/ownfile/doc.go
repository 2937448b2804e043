// Package ownfile opens files in places where another user of the machine may have put something
// first: a state directory, a path under test, a folder for temporary files. It never waits for the
// far end of a named pipe, follows no symbolic link, and takes only a regular file that belongs to
// the user of this process or to root; what it reads, it reads to a bound.
//
// On a network file system that gives what root makes to another user, that user's files are
// this process's own: what counts is whose a file is that this process makes beside it.
//
// It does not look at the folders above a file; CheckFolder is for those.
package ownfile
