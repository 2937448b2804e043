// Package sandbox holds the tests of how handlers are locked in: forbidden things, each tried
// inside a handler of its own, with every layer and with each alone; and supervisors that are
// denied one layer after the other.
//
// A handler that is locked with nothing must succeed in what it tries: a thing that fails there,
// too, would prove nothing.
package sandbox
