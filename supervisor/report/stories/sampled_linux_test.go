package stories

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/machine"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// systemFiles is a folder with the files of /proc and /sys that a sampler reads.
type systemFiles struct {
	t    *testing.T
	root string
	id   uint64 // of the mount that the client writes to
}

func (f *systemFiles) put(path, format string, args ...any) {
	f.t.Helper()
	path = filepath.Join(f.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// second is what the system shows after so many seconds: a loop device on a disk that is always busy, a
// network interface of 1 Gbit/s that is full, and nearly as much dirty as may be.
func (f *systemFiles) second(n int) {
	f.put("proc/self/mountinfo", "%d 1 7:3 / /mnt/under-test rw - ext4 /dev/loop3 rw\n"+
		"%d 1 8:0 / /images rw - xfs /dev/sda rw\n", f.id, f.id+1_000_000)
	f.put("proc/diskstats", "   7       3 loop3 0 0 0 0 %d 0 %d 900 3 %d 900\n"+
		"   8       0 sda 0 0 0 0 %d 0 %d 900 3 %d 900\n",
		n*100, n*2048, n*10, n*100, n*2048, n*1000)
	f.put("proc/self/net/dev", "Inter-|   Receive\n face |bytes\n    lo: %d %d 0 0 0 0 0 0 %d %d 0 0 0 0 0 0\n", n*1000,
		n, n*120_000_000, n*90_000)
	f.put("proc/meminfo", "MemTotal: 16000000 kB\nMemFree: 8000000 kB\nMemAvailable: 9000000 kB\n")
	f.put("proc/vmstat", "nr_dirty 95000\nnr_writeback 4000\nnr_dirty_threshold 100000\n"+
		"nr_dirty_background_threshold 50000\n")
}

// TestFilesOfTheSystemBecomeFindings takes files of /proc and /sys through the sampler, the wire and the
// fold into the report: a full network, writeback that slows writers, and the disk under a loop device.
func TestFilesOfTheSystemBecomeFindings(t *testing.T) {
	folder := t.TempDir()
	var seen unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, folder, 0, unix.STATX_MNT_ID, &seen); err != nil ||
		seen.Mask&unix.STATX_MNT_ID == 0 {
		t.Skip("the kernel does not say on which mount a folder is:", err)
	}
	f := &systemFiles{t: t, root: t.TempDir(), id: seen.Mnt_id}
	f.put("sys/class/net/lo/type", "1\n")
	f.put("sys/class/net/lo/device/vendor", "0x8086\n")
	f.put("sys/class/net/lo/speed", "1000\n")
	f.put("sys/devices/virtual/block/loop3/dev", "7:3\n")
	f.put("sys/devices/virtual/block/loop3/loop/backing_file", "/images/disk.img\n")
	f.put("sys/devices/pci/sda/dev", "8:0\n")
	for number, at := range map[string]string{"7:3": "virtual/block/loop3", "8:0": "pci/sda"} {
		if err := os.MkdirAll(filepath.Join(f.root, "sys/dev/block"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(f.root, "sys/devices", at),
			filepath.Join(f.root, "sys/dev/block", number)); err != nil {
			t.Fatal(err)
		}
	}
	var samples []*bulkheadv1.Machine
	synctest.Test(t, func(t *testing.T) {
		here := netip.MustParseAddr("127.0.0.1")
		s := machine.New(machine.Target{Paths: []string{folder}, Local: here, Supervisor: here},
			machine.Options{Root: f.root})
		for n := range 15 {
			f.second(n)
			samples = append(samples, s.Sample())
			time.Sleep(time.Second) // of the bubble
		}
	})
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Start()
	for n, m := range samples {
		a.At(time.Duration(n+1) * time.Second)
		a.Worked(0, 1)
		a.Machine(m)
	}
	a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "said goodbye")
	s.Ended(bulkheadv1.RunEnd_RUN_END_DONE, "")
	found := make(map[string]string)
	for _, finding := range folded.All(t, s.Records).Findings {
		found[finding.Kind] = finding.Text
	}
	for _, kind := range []string{report.FindingNetwork, report.FindingWriteback, report.FindingDevice} {
		if found[kind] == "" {
			t.Errorf("there is no finding %s; of the last sample %v", kind, samples[len(samples)-1])
		}
	}
	if devices := samples[14].GetFileSystems()[0].GetDevices(); len(devices) != 2 || devices[1].GetName() != "sda" {
		t.Errorf("the file system is on %v", devices)
	}
}
