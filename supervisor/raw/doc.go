// Package raw looks at what clients and handlers sent before it is decoded: whether a frame
// may be, what a batch holds, and what of it live figures need. It keeps no more than counts,
// digests and small histograms of it.
package raw
