package program

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"bulkhead/internal/procfile"
)

// The fields of /proc/PID/stat that say where the environment is, counted from 0 behind the
// program's name, which is the second (proc(5) has them as 50 and 51).
const (
	envStartField = 50 - 3
	envEndField   = 51 - 3
)

// Conceal takes the value of a variable out of /proc/self/environ, where other processes of this user
// could read it for as long as this one runs. os.Getenv and os.Environ still have it: so does what
// this program executes in its own place.
func Conceal(variable string) error {
	if err := conceal(variable); err != nil {
		return fmt.Errorf("taking %s out of /proc/self/environ: %w", variable, err)
	}
	return nil
}

func conceal(variable string) error {
	if _, set := os.LookupEnv(variable); !set {
		return nil
	}
	start, end, err := environment()
	if err != nil {
		return err
	}
	memory, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close() // it is written at once
	block := make([]byte, end-start)
	if _, err := memory.ReadAt(block, start); err != nil {
		return err
	}
	name := []byte(variable + "=")
	for at := 0; at < len(block); {
		entry, _, _ := bytes.Cut(block[at:], []byte{0})
		if bytes.HasPrefix(entry, name) {
			nothing := make([]byte, len(entry)-len(name))
			if _, err := memory.WriteAt(nothing, start+int64(at+len(name))); err != nil {
				return err
			}
		}
		at += len(entry) + 1
	}
	clear(block)
	return nil
}

// environment returns where in this process's memory its environment begins and ends.
func environment() (start, end int64, err error) {
	stat, err := procfile.Read("/proc/self/stat")
	if err != nil {
		return 0, 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) > envEndField {
		start, err = strconv.ParseInt(string(fields[envStartField]), 10, 64)
		if err == nil {
			end, err = strconv.ParseInt(string(fields[envEndField]), 10, 64)
		}
	}
	if err == nil && (start <= 0 || end < start) {
		err = errors.New("/proc/self/stat does not say where it is")
	}
	return start, end, err
}
