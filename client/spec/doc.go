// Package spec is what a client is told to do: its configuration and that of its consumers,
// the names of what it makes, and the words for both.
package spec
