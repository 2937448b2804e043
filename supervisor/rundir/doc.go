// Package rundir owns what a supervisor keeps on disk besides the journal: the state directory
// and its locks, the folder of a run, the roster of live handlers, the folder for sockets,
// and the names of all of these.
package rundir
