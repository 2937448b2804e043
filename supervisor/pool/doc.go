// Package pool keeps handlers ready ahead of need, as far as resources allow, and hands each to one
// connection: first to those that are awaited. How many it keeps, and starts at the same time, follows
// the rate at which they are taken (Pace).
package pool
