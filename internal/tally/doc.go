// Package tally counts how often each of a bounded number of things came.
package tally
