// Package control is the way to a running supervisor: the unix socket in its state directory,
// and a client of the control API on it. What the calls do is the supervisor's.
package control
