//go:build race

package faults_test

// raceEnabled says that this binary looks for races.
const raceEnabled = true
