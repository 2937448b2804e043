// Package shipped holds the tests of configs/nats: three real nodes run with these files, of which only
// the addresses and paths are others.
package shipped
