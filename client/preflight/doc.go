// Package preflight finds out before a load whether it can work and what it will take: room,
// inodes, memory, descriptors, and what the file system can do. What it says beforehand is
// the plan; what cannot work is one error that names every problem.
package preflight
