// Package table lays out text tables for a terminal.
package table
