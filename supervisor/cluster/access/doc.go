// Package access says where the engine is that has a run's journal, and how to come in: what an operator
// writes as an address, and which files prove who asks. It connects to nothing.
package access
