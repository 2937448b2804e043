// Package scripted is the supervisor's side of the Collector protocol for tests of clients: it
// does what a script of acts says. It also has what such tests need of files and messages.
package scripted
