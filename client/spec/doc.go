// Package spec is what a client is told to do: its configuration and that of its consumers, and the
// words for both.
package spec
