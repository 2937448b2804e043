#!/bin/sh
# Runs every fuzz target of the module for FUZZTIME each, as many side by side as there are
# processors, each on one. It goes on after a failure, and fails then.
set -eu
export GO="${GO:-go}" FUZZTIME="${FUZZTIME:-60s}"
for file in $(git ls-files '*_test.go' | xargs grep -l '^func Fuzz' | sort); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "./$(dirname "$file") $target"
	done
done | xargs -n 2 -P "$(nproc)" sh -c '
	said=$("$GO" test -run "^$" -fuzz "^$2\$" -fuzztime "$FUZZTIME" -parallel 1 "$1" 2>&1) && code=0 || code=1
	printf "fuzz %s %s\n%s\n" "$1" "$2" "$said" # at once, so that no other line comes between
	exit $code' sh
