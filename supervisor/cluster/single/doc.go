// Package single is a cluster.Run with one supervisor, whose journal is a folder of files: package journal
// as it is, with the same bytes. A Log is moved only by a later Open of this Run, and never not available.
//
// What the file does not have is kept in memory, and begins anew when a run is opened again: epochs, and
// what heads say beside what records tell. Package recovery has that for the supervisor of today.
package single
