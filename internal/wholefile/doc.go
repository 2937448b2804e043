// Package wholefile writes files that appear whole or not at all: beside the place, to
// the disk, then into the place. A program that is killed, or a disk that is full, leaves
// what was there before as it was.
package wholefile
