package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

const (
	memoryDisk = "/dev/shm"
	// writeFileMiB is the size of every file: a multiple of all chunk sizes, and little
	// enough for no cell to have more than 1 GiB in the page cache.
	writeFileMiB = 80
	// warmFiles is how many files are written for each writer before they are measured. From its
	// third on a writer overwrites one that exists, or to memory that one has left: memory
	// that was never used, or not for a while, costs a virtual machine twice as much.
	warmFiles = 3
)

// writeCell is one row of the table: the same load for both programs.
type writeCell struct {
	storage string // tmpfs or disk
	parent  string // folder on that storage
	direct  bool
	inPlace bool // each file is written over again and again; else each file is a new one
	synced  bool // fsync at the end of each file
	chunk   string
	writers int
	read    string // size of the reads of one reader beside each writer; "" without
}

func (c writeCell) name() string {
	how := []string{c.storage}
	if c.direct {
		how = append(how, "O_DIRECT")
	}
	if c.inPlace {
		how = append(how, "in place")
	}
	if c.synced {
		how = append(how, "fsync")
	}
	if c.read != "" {
		return fmt.Sprintf("%s, mixed, %s read", strings.Join(how, ", "), c.read)
	}
	return fmt.Sprintf("%s, %s × %d", strings.Join(how, ", "), c.chunk, c.writers)
}

// writeCells lists every combination, and some variants of one of them.
func (b *bench) writeCells() []writeCell {
	var cells []writeCell
	chunks, counts := []string{"128KiB", "1MiB", "10MiB"}, []int{1, 4}
	for _, place := range []writeCell{
		{storage: "tmpfs", parent: memoryDisk},
		{storage: "tmpfs", parent: memoryDisk, direct: true},
		{storage: "disk", parent: b.dir},
		{storage: "disk", parent: b.dir, direct: true},
	} {
		for _, chunk := range chunks {
			for _, writers := range counts {
				cell := place
				cell.chunk, cell.writers = chunk, writers
				cells = append(cells, cell)
			}
		}
	}
	for _, cell := range []writeCell{
		{storage: "tmpfs", parent: memoryDisk, inPlace: true},
		{storage: "disk", parent: b.dir, inPlace: true},
		{storage: "disk", parent: b.dir, inPlace: true, direct: true},
		{storage: "disk", parent: b.dir, synced: true},
	} {
		for _, writers := range counts {
			cell.chunk, cell.writers = "1MiB", writers
			cells = append(cells, cell)
		}
	}
	return cells
}

// errCannot is a cell that this machine cannot run.
var errCannot = errors.New("skipped")

// writing prints the throughput and the processor time of consumers beside fio's.
func (b *bench) writing() error {
	fmt.Fprintf(b.out,
		"\n(d) consumers beside fio (psync, the same chunks, files of %d MiB): median of %d pairs (least–most)\n",
		writeFileMiB, b.rounds)
	version, err := exec.Command("fio", "--version").Output()
	if err != nil {
		fmt.Fprintf(b.out, "skipped: running fio: %v\n", err)
		return nil
	}
	fmt.Fprintf(b.out, "%s; MB/s and ms of processor time for each GB, of the writing processes; client: its parent "+
		"and its monitor, %% of one core\n", strings.TrimSpace(string(version)))
	if err := b.writingTable(b.writeCells()); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "reads beside the writing: at random, what is read of finished files while chunks of 1MiB are "+
		"written at %s/s; MB/s and processor time of both for each GB that is read\n", mixedRate)
	return b.writingTable(b.mixedCells())
}

// writingTable measures cells, a row for each.
func (b *bench) writingTable(cells []writeCell) error {
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "load\tconsumers\tfio\tratio\tcpu\tfio\tratio\tclient")
	for _, cell := range cells {
		if b.cells != nil && !b.cells.MatchString(cell.name()) {
			continue
		}
		err := b.compareWriters(t, cell)
		if errors.Is(err, errCannot) {
			fmt.Fprintf(t, "%s\t%v\n", cell.name(), err)
		} else if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", cell.name(), err), t.Flush())
		}
		if b.cells != nil {
			_ = t.Flush() // one by one while somebody looks on
		}
	}
	return t.Flush()
}

// compareWriters measures one cell in pairs, of which every other one is the other way
// round, so that neither program always finds what the other left.
func (b *bench) compareWriters(out io.Writer, cell writeCell) error {
	if err := cell.possible(); err != nil {
		return err
	}
	var rates, costs [2]spread
	var rate, cost, client spread
	for pair := range b.rounds {
		var pace [2]pace
		for i := range 2 {
			which := (i + pair) % 2
			start := b.startConsumers
			if which == 1 {
				start = b.startFio
			}
			measured, err := b.measure(cell, start)
			if err != nil {
				return err
			}
			pace[which] = measured
			rates[which] = append(rates[which], measured.megabytes)
			costs[which] = append(costs[which], measured.cost)
		}
		rate = append(rate, pace[0].megabytes/pace[1].megabytes)
		cost = append(cost, pace[0].cost/pace[1].cost)
		client = append(client, pace[0].rest*100)
	}
	_, err := fmt.Fprintf(out, "%s\t%.0f\t%.0f\t%s\t%.0f\t%.0f\t%s\t%s\n", cell.name(), rates[0].median(),
		rates[1].median(), rate.text("%.2f"),
		costs[0].median(), costs[1].median(), cost.text("%.2f"), client.text("%.1f"))
	return err
}

// possible returns errCannot, with the reason, for a cell that cannot run here.
func (c writeCell) possible() error {
	var system unix.Statfs_t
	if err := unix.Statfs(c.parent, &system); err != nil {
		return fmt.Errorf("%w: there is no %s", errCannot, c.parent)
	}
	if memory := system.Type == unix.TMPFS_MAGIC; memory && c.direct {
		return fmt.Errorf("%w: tmpfs is memory and has no O_DIRECT", errCannot)
	} else if memory && c.storage == "disk" {
		return fmt.Errorf("%w: %s is memory; name a folder on a disk with -disk", errCannot, c.parent)
	}
	if need := uint64(4*3*writeFileMiB) << 20 * 2; system.Bavail*uint64(system.Frsize) < need {
		return fmt.Errorf("%w: %s has less than %d MiB free", errCannot, c.parent, need>>20)
	}
	return nil
}

// measure runs one program for a cell in a new folder, after what others wrote has
// reached storage.
func (b *bench) measure(cell writeCell, start func(writeCell, string) (*load, error)) (pace, error) {
	dir, err := os.MkdirTemp(cell.parent, "bench-writing-")
	if err != nil {
		return pace{}, err
	}
	defer os.RemoveAll(dir)
	unix.Sync()
	_ = os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0) // root may, and others have to do without
	load, err := start(cell, filepath.Clean(dir))
	if err != nil {
		return pace{}, err
	}
	load.warm = uint64(cell.writers) * warmFiles * writeFileMiB << 20
	if cell.read != "" {
		load.counter, load.warm = "rchar: ", warmRead
	}
	measured, err := load.measure()
	return measured, errors.Join(err, load.stop())
}
