#!/bin/sh
# Runs every fuzz target of the module for FUZZTIME each.
set -eu
GO=${GO:-go}
FUZZTIME=${FUZZTIME:-60s}
for file in $(git ls-files '*_test.go' | xargs grep -l '^func Fuzz' | sort); do
	package=./$(dirname "$file")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "fuzz $package $target"
		"$GO" test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" "$package"
	done
done
