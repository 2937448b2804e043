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
	if cell.read != "" {
		args = mixedFio(cell, dir)
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

const (
	// mixedRate is what each writer writes in a second while its files are read: little enough that
	// both programs keep it, so that what is left for reading is the same.
	mixedRate = "50MiB"
	// mixedFiles is how many files there are to read for each reader.
	mixedFiles = 3
	// warmRead is how many bytes are read before they are measured.
	warmRead = 64 << 20
)

// mixedCells lists loads of which one half writes and the other reads.
func (b *bench) mixedCells() []writeCell {
	var cells []writeCell
	for _, place := range []writeCell{
		{storage: "tmpfs", parent: memoryDisk},
		{storage: "disk", parent: b.dir},
		{storage: "disk", parent: b.dir, direct: true},
	} {
		for _, size := range []string{"4KiB", "64KiB", "1MiB"} {
			cell := place
			cell.chunk, cell.writers, cell.read = "1MiB", 1, size
			cells = append(cells, cell)
		}
	}
	return cells
}

// mixedConsumers returns the settings of a client for such a load.
func mixedConsumers(cell writeCell, dir string) string {
	return fmt.Sprintf("consumer_count: %d\nchunk_size: %s\nfile_size: %dMiB\nkeep_files: %d\nsync: none\n"+
		"direct: %t\nrate: {bytes: %s}\nreaders: 1\nread: {size: %s, pattern: random}\npath: %s\nruntime: %ss\n",
		cell.writers, cell.chunk, writeFileMiB, mixedFiles, cell.direct, mixedRate, cell.read, dir, endless)
}

// mixedFio returns the arguments of fio for it: a job that writes file after file, and one that reads
// at random from as many as a reader has.
func mixedFio(cell writeCell, dir string) []string {
	size := func(text string) string { return strings.ToLower(strings.TrimSuffix(text, "iB")) }
	args := []string{
		"--thread", "--directory=" + dir, "--ioengine=psync", "--fallocate=none", "--unlink=1", "--eta=never",
		"--runtime=" + endless, "--invalidate=0",
	}
	if cell.direct {
		args = append(args, "--direct=1")
	}
	return append(args,
		"--name=write", "--rw=write", "--bs="+size(cell.chunk), fmt.Sprintf("--size=%dm", writeFileMiB),
		"--rate="+size(mixedRate), "--create_on_open=1", "--loops=1000000", "--unlink_each_loop=1",
		"--name=read", "--rw=randread", "--bs="+size(cell.read), fmt.Sprintf("--nrfiles=%d", mixedFiles),
		fmt.Sprintf("--size=%dm", mixedFiles*writeFileMiB), "--norandommap=1", "--time_based")
}
