//go:build !race

package child

// detectorEnv is empty: this program does not look for races.
var detectorEnv = [...]string{}
