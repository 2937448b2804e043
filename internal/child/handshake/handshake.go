// Package handshake holds what a parent and its child must agree on before they speak: the
// part of go-plugin's protocol that a child has to keep
// (https://github.com/hashicorp/go-plugin/blob/main/docs/internals.md), and what bounds their
// connection.
//
// A child finds the cookie in its environment, listens on a unix socket in the folder that
// SocketDirEnv names, serves gRPC there, with grpc.health.v1.Health for Service, and prints one
// line: see Line.
package handshake

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// CookieKey and CookieValue are an entry of a child's environment, which tells it that a
	// parent of ours started it.
	CookieKey   = "BULKHEAD_CHILD"
	CookieValue = "1"
	// Version is that of how a parent starts a child and speaks with it: a child that names another
	// one is not used. It says nothing of a child that runs already, which a later parent finds. In
	// version 1 a handler was started without a secret, or answered no call before it had a socket.
	Version = 2
	// CoreVersion is that of go-plugin's own protocol.
	CoreVersion = 1
	// SocketDirEnv names the environment variable with the folder for the child's socket.
	SocketDirEnv = "PLUGIN_UNIX_SOCKET_DIR"
	// Service is what the parent asks the child's health service about.
	Service = "plugin"

	// PingEvery is how often a child with a call open is asked for a sign of life when it
	// gives none.
	PingEvery = 10 * time.Second
	// WindowBytes is how much each side may send that the other has not read yet. By default
	// gRPC finds that out by a ping for each message, which costs more than the message does.
	WindowBytes = 1 << 20
)

// VersionArgument is the one argument of a handler's program that is to print Version and end. One of
// before there was such an argument refuses it, with exitstatus.Usage.
const VersionArgument = "start-protocol"

// VersionBytes is how much of a child's line says which version it is of.
const VersionBytes = 16

// VersionIn returns the version that the beginning of a child's line names; 0 if it is no such line.
func VersionIn(line string) int {
	core, rest, _ := strings.Cut(line, "|")
	number, _, whole := strings.Cut(rest, "|")
	version, err := strconv.ParseUint(number, 10, 16)
	if core != strconv.Itoa(CoreVersion) || !whole || err != nil {
		return 0
	}
	return int(version)
}

// Line returns what a child prints on stdout when it serves on the unix socket at path.
func Line(path string) string {
	return fmt.Sprintf("%d|%d|unix|%s|grpc|\n", CoreVersion, Version, path)
}
