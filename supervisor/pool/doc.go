// Package pool keeps handlers ready ahead of need, within the room that there is, and hands
// each to one connection: first to those that are awaited.
package pool
