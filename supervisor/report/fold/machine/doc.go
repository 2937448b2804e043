// Package machine adds up the samples that a client sends of its machine.
//
// What it keeps is bounded, whatever a client says: further items and gaps are counted. It knows
// nothing of time but the intervals of the samples; what a machine did over time is the fold's.
package machine
