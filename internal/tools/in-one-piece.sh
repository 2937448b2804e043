#!/bin/sh
# Writes programs anew, each in one piece: in-one-piece.sh PROGRAM…
# The linker writes a program page by page, and so the kernel keeps it in its cache for as long as
# it does: every process that maps it meanwhile takes a third longer to begin. For
# handlers, of which each client takes one, that is a millisecond. What is written at once is kept
# and mapped in large pieces. The content, its build id included, stays the same, and so does its mode.
set -eu
new=
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM
for program; do
	new=$(mktemp "$program.XXXXXX") # each builder its own: what is renamed is whole
	dd if="$program" of="$new" bs=64M status=none
	chmod "$(stat -c %a "$program")" "$new"
	mv "$new" "$program"
done
