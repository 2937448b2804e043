package engine

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"bulkhead/internal/flock"
)

// buildTime is how long one process waits for another that builds the engine.
const buildTime = 10 * time.Minute

// program is built once in a process.
var program = sync.OnceValues(build)

// Program returns the path of the engine's program. It builds it if it is not in the cache yet.
func Program() (string, error) { return program() }

func build() (string, error) {
	module, err := moduleFolder()
	if err != nil {
		return "", err
	}
	pinned, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return "", fmt.Errorf("the engine's module: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("a folder for the engine's program: %w", err)
	}
	sum := sha256.Sum256(append(pinned, runtime.Version()+runtime.GOARCH...))
	folder := filepath.Join(cache, "bulkhead-test")
	path := filepath.Join(folder, fmt.Sprintf("nats-server-%x", sum[:8]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("a folder for the engine's program: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("a lock for building the engine: %w", err)
	}
	defer lock.Close()
	if err := flock.Within(lock, buildTime); err != nil {
		return "", fmt.Errorf("waiting for another process that builds the engine: %w", err)
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil // another process has built it meanwhile
	}
	c := exec.Command("go", "build", "-trimpath", "-o", path+".new", "github.com/nats-io/nats-server/v2")
	c.Dir = module
	c.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0")
	if said, err := c.CombinedOutput(); err != nil {
		words := strings.Join(strings.Fields(string(said)), " ")
		return "", fmt.Errorf("building nats-server in %s from the Go module proxy: %w: %s", module, err, words)
	}
	return path, os.Rename(path+".new", path)
}

// moduleFolder finds the engine's module from the folder that the test runs in.
func moduleFolder() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at != filepath.Dir(at) {
		module := filepath.Join(at, "internal", "testing", "engine", "server")
		if _, err := os.Stat(module); err == nil {
			return module, nil
		}
		at = filepath.Dir(at)
	}
	return "", errors.New("internal/testing/engine/server is in no folder above the test's")
}
