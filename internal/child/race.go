//go:build race

package child

// detectorEnv is for children that look for races too: they end at once, as others do,
// instead of a second later, when a kill may have come first.
var detectorEnv = [...]string{"GORACE=atexit_sleep_ms=10"}
