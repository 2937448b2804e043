//go:build linux && !amd64 && !arm64

package lock

var machine program
