package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// endless is the runtime of a load that is ended by a signal.
const endless = "3600"

// startFio starts fio with the load of a cell: one job for each writer, all in one
// process.
func (b *bench) startFio(cell writeCell, dir string) (*load, error) {
	chunk := strings.TrimSuffix(cell.chunk, "iB")
	args := []string{
		"--name=bench", "--thread", fmt.Sprintf("--numjobs=%d", cell.writers), "--directory=" + dir,
		"--rw=write", "--ioengine=psync", "--bs=" + strings.ToLower(chunk), fmt.Sprintf("--size=%dm", writeFileMiB),
		"--runtime=" + endless, "--fallocate=none", "--create_on_open=1", "--unlink=1", "--eta=never",
	}
	if cell.direct {
		args = append(args, "--direct=1")
	}
	if cell.inPlace {
		// begins the same file again, and leaves it in the page cache
		args = append(args, "--time_based", "--invalidate=0")
	} else {
		args = append(args, "--loops=1000000", "--unlink_each_loop=1")
	}
	if cell.synced {
		args = append(args, "--fsync_on_close=1")
	}
	return startLoad(exec.Command("fio", args...),
		func(pid int) (writers, others []int, err error) { return []int{pid}, nil, nil })
}

// startLoad starts a program that ends by SIGINT. find returns its processes.
func startLoad(cmd *exec.Cmd, find func(pid int) (writers, others []int, err error)) (*load, error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	l := &load{stop: func() error {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			return fmt.Errorf("%w\n%s", errors.Join(err, cmd.Wait()), said.String())
		}
		_ = cmd.Wait() // an interrupted program may say so
		return nil
	}}
	var err error
	if l.writers, l.others, err = find(cmd.Process.Pid); err != nil {
		return nil, fmt.Errorf("%w\n%s", errors.Join(err, l.stop()), said.String())
	}
	return l, nil
}
