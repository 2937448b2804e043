// Package tools is the scripts of the Makefile, and what tests them. Its folders are the programs of
// the Makefile.
package tools
