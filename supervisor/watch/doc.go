// Package watch tells time that counts from time in which this process was not running, and
// says when a handler hangs and when a client falls silent. Its clocks are told the time, or go
// by the one that is never set.
package watch
