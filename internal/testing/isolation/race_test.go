//go:build race

package isolation_test

// raceEnabled says that this binary, and so the programs it builds, look for races.
const raceEnabled = true
