package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"
)

const (
	// writeSeconds is how long each writer runs.
	writeSeconds = 3
	writeChunk   = "1MiB"
	writeFile    = "64MiB"
	memoryDisk   = "/dev/shm"
)

// writing prints one consumer's MB/s beside fio's: psync, the same chunk and file
// size, no sync, each file a new one and two of them at a time.
func (b *bench) writing() error {
	fmt.Fprintf(b.out, "\n(d) one consumer beside fio (psync, %s chunks, %s files, no sync), MB/s; median of %d (least–most)\n", writeChunk, writeFile, b.rounds)
	if _, err := exec.LookPath("fio"); err != nil {
		fmt.Fprintln(b.out, "skipped: fio is not installed")
		return nil
	}
	t := tabwriter.NewWriter(b.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "storage\tconsumer\tfio\tratio")
	for _, place := range []struct{ name, parent string }{{"tmpfs", memoryDisk}, {"disk, buffered", b.dir}} {
		if info, err := os.Stat(place.parent); err != nil || !info.IsDir() {
			fmt.Fprintf(t, "%s\tskipped: there is no %s\n", place.name, place.parent)
			continue
		}
		if err := b.compareWriters(t, place.name, place.parent); err != nil {
			return err
		}
	}
	return t.Flush()
}

func (b *bench) compareWriters(t *tabwriter.Writer, name, parent string) error {
	dir, err := os.MkdirTemp(parent, "bench-writing-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var ours, theirs, ratio spread
	for range b.rounds {
		c, err := b.consumerRate(dir)
		if err != nil {
			return err
		}
		f, err := fioRate(dir)
		if err != nil {
			return err
		}
		ours, theirs, ratio = append(ours, c), append(theirs, f), append(ratio, c/f)
	}
	fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", name, ours.text("%.0f"), theirs.text("%.0f"), ratio.text("%.2f"))
	return nil
}

// consumerRate runs a supervisor and a client with one consumer and returns the
// consumer's MB/s from the report.
func (b *bench) consumerRate(dir string) (float64, error) {
	s, err := b.supervisor("--clients", "1", "--linger", "0s")
	if err != nil {
		return 0, err
	}
	defer s.Kill()
	client := exec.Command(filepath.Join(b.bin, "bulkhead"), "client", "--supervisor", s.Addr, "--name", "bench", "--path", dir,
		"--runtime", strconv.Itoa(writeSeconds)+"s", "--consumers", "1", "--chunk-size", writeChunk, "--file-size", writeFile,
		"--keep-files", "1", "--sync", "none", "--log-level", "error")
	if out, err := client.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("running a client: %w\n%s", err, out)
	}
	if _, err := s.Wait(time.Minute); err != nil {
		return 0, err
	}
	data, err := os.ReadFile(filepath.Join(s.RunDir, "report.json"))
	if err != nil {
		return 0, err
	}
	var report struct {
		Clients []struct {
			BytesPerSecond float64 `json:"bytes_per_second"`
		} `json:"clients"`
	}
	if err := json.Unmarshal(data, &report); err != nil {
		return 0, err
	}
	if len(report.Clients) != 1 || report.Clients[0].BytesPerSecond == 0 {
		return 0, errors.New("the report of the consumer has no rate")
	}
	return report.Clients[0].BytesPerSecond / 1e6, nil
}

// fioRate runs fio for as long and returns its MB/s.
func fioRate(dir string) (float64, error) {
	out, err := exec.Command("fio", "--name=bench", "--rw=write", "--ioengine=psync", "--bs=1M", "--nrfiles=2", "--filesize=64M", "--size=128M", "--directory="+dir,
		"--time_based", "--runtime="+strconv.Itoa(writeSeconds), "--unlink_each_loop=1", "--unlink=1",
		"--fallocate=none", "--create_on_open=1", "--output-format=json").Output()
	if err != nil {
		return 0, fmt.Errorf("running fio: %w", err)
	}
	var result struct {
		Jobs []struct {
			Write struct {
				BytesPerSecond float64 `json:"bw_bytes"`
			} `json:"write"`
		} `json:"jobs"`
	}
	if err := json.Unmarshal(out, &result); err != nil || len(result.Jobs) != 1 {
		return 0, fmt.Errorf("reading fio's result: %w", errors.Join(err, errors.New("no job in it")))
	}
	return result.Jobs[0].Write.BytesPerSecond / 1e6, nil
}
