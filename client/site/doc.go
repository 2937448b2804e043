// Package site owns what a client makes on the storage under load: its folders, the record
// that says whose they are, the marker that allows a path, and the removal of all that is
// its own and of what clients that died left behind. It never removes what others made.
package site
