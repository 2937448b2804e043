// Package scripted is the supervisor's side of the Collector protocol for tests of clients,
// which does what a script of acts says, with what such tests need besides.
package scripted
