#!/bin/sh
# Runs every fuzz target of the module for FUZZTIME each, as many side by side as there are
# processors, each on one. It continues after a failure, and fails at the end.
#	fuzz.sh PACKAGE TARGET
# runs one. Go before 1.27 ends one now and then, on a busy machine, in the moment in which its time
# is over, with "context deadline exceeded" and no failing input (https://go.dev/issue/75804). That,
# and no other failure, is a reason to run it once more.
set -eu
export GO="${GO:-go}" FUZZTIME="${FUZZTIME:-60s}"

# fuzz runs a target, says how it went, and keeps that in said.
fuzz() {
	said=$("$GO" test -run '^$' -fuzz "^$2\$" -fuzztime "$FUZZTIME" -parallel 1 "$1" 2>&1) && code=0 || code=1
	printf 'fuzz %s %s\n%s\n' "$1" "$2" "$said" # at once, so that no other line comes between
	return "$code"
}

# cut_short tells whether that is all that was wrong with it.
cut_short() {
	case $said in *'Failing input written to'*) return 1 ;; esac
	printf '%s\n' "$said" | awk -v begin="--- FAIL: $1 (" '
		after { cut = $0 == "    context deadline exceeded"; exit }
		{ after = index($0, begin) == 1 }
		END { exit !cut }'
}

if [ $# = 2 ]; then
	fuzz "$@" || { cut_short "$2" && fuzz "$@"; }
	exit
fi
for file in $(git ls-files '*_test.go' | xargs grep -l '^func Fuzz' | sort); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "./$(dirname "$file") $target"
	done
done | xargs -n 2 -P "$(nproc)" sh "$0"
