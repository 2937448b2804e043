package machine

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	ofDevice = bulkheadv1.MachinePart_MACHINE_PART_DEVICE
	ofSpeed  = bulkheadv1.MachinePart_MACHINE_PART_NETWORK_SPEED
)

var loopback = netip.MustParseAddr("127.0.0.1")

// says reports whether a sample has a gap.
func says(m *bulkheadv1.Machine, part bulkheadv1.MachinePart, reason bulkheadv1.MachineGapReason, about string) bool {
	return slices.ContainsFunc(m.GetGaps(), func(g *bulkheadv1.MachineGap) bool {
		return g.GetPart() == part && g.GetReason() == reason && g.GetAbout() == about
	})
}

// Memory has no device, and the loopback has no speed: each is said once, and nothing is zero that
// is not known.
func TestWithoutADevice(t *testing.T) {
	folder, err := os.MkdirTemp("/dev/shm", "machine-")
	if err != nil {
		t.Skip("no memory file system:", err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	s := New(Target{Paths: []string{folder, folder}, Local: loopback, Supervisor: loopback}, Options{})
	first := s.Sample()
	if len(first.GetFileSystems()) != 1 {
		t.Fatalf("file systems %v", first.GetFileSystems())
	}
	if f := first.GetFileSystems()[0]; f.GetType() != "tmpfs" || f.GetConsumers() != 2 || len(f.GetDevices()) != 0 ||
		f.GetSpace().GetSizeBytes() == 0 {
		t.Errorf("file system %v", f)
	}
	if len(first.GetDevices()) != 0 || !says(first, ofDevice, none, folder) || !says(first, ofSpeed, none, "lo") {
		t.Errorf("devices %v, gaps %v", first.GetDevices(), first.GetGaps())
	}
	if first.GetIntervalNano() != 0 || first.GetMemoryPressure() != nil || first.GetMemory() == nil {
		t.Errorf("the first sample has differences or no memory: %v", first)
	}
	i := first.GetInterfaces()
	if len(i) != 1 || i[0].GetName() != "lo" || !i[0].GetLoopback() || !i[0].GetToSupervisor() ||
		i[0].GetActivity() != nil {
		t.Errorf("interfaces %v", i)
	}
	second := s.Sample()
	if len(second.GetGaps()) != 0 {
		t.Errorf("said again: %v", second.GetGaps())
	}
	if second.GetIntervalNano() <= 0 || second.GetInterfaces()[0].GetActivity() == nil {
		t.Errorf("the second sample has no differences: %v", second)
	}
}

// What is written to a disk is seen to reach the device that its file system is on.
func TestOnADisk(t *testing.T) {
	folder, err := os.MkdirTemp(".", "machine-") // where the sources are; /tmp may be memory
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	s := New(Target{Paths: []string{folder}}, Options{})
	first := s.Sample()
	if says(first, ofDevice, none, folder) || len(first.GetDevices()) == 0 {
		t.Skip("the sources are on no device:", first.GetFileSystems())
	}
	name := first.GetFileSystems()[0].GetDevices()[0].GetName()
	if d := first.GetDevices()[0]; d.GetName() != name || name == "" || d.GetBelow() || d.GetActivity() != nil {
		t.Errorf("device %v of %v", d, first.GetFileSystems())
	}
	const size = 8 << 20
	file, err := os.Create(filepath.Join(folder, "written"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(bytes.Repeat([]byte("machine!"), size/8)); err != nil {
		t.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	a := s.Sample().GetDevices()[0].GetActivity()
	if a.GetWrittenBytes() < size || a.GetWrites() == 0 || a.GetBusyNano() <= 0 {
		t.Errorf("after %d bytes: %v", size, a)
	}
}

// A file system that does not answer is waited for once, for a moment, and is said to be silent for
// as long as it is; the rest of the sample is there.
func TestSilentFileSystem(t *testing.T) {
	silentAt := hungMount(t)
	s := New(Target{Paths: []string{silentAt, t.TempDir()}}, Options{})
	first := s.Sample()
	if !says(first, partFileSystem, silent, silentAt) || len(first.GetFileSystems()) != 1 || first.GetMemory() == nil {
		t.Fatalf("sample %v", first)
	}
	if second := s.Sample(); len(second.GetGaps()) != 0 || len(second.GetFileSystems()) != 1 {
		t.Errorf("said again: %v", second.GetGaps())
	}
}

// One that answered before is still told, without figures, and for how long it has been silent.
func TestFileSystemFallsSilent(t *testing.T) {
	folder := t.TempDir()
	s := New(Target{Paths: []string{folder}}, Options{})
	goOn := make(chan struct{})
	stuck := false
	s.look = func(path string) look {
		if stuck {
			<-goOn
		}
		return lookAt(path)
	}
	if f := s.Sample().GetFileSystems(); len(f) != 1 || f[0].GetSpace() == nil {
		t.Fatalf("file systems %v", f)
	}
	stuck = true
	s.Sample()
	m := s.Sample()
	if f := m.GetFileSystems(); len(f) != 1 || f[0].GetSpace() != nil || f[0].GetSilentNano() <= 0 ||
		len(m.GetGaps()) != 0 {
		t.Errorf("silent: %v", m)
	}
	close(goOn)
	for s.Sample().GetFileSystems()[0].GetSpace() == nil { // as soon as the call has returned
		if t.Context().Err() != nil {
			t.Fatal("it stayed silent")
		}
	}
}

// hungMount mounts a file system that nobody answers for, until the test ends.
func hungMount(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may mount a file system")
	}
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no FUSE:", err)
	}
	t.Cleanup(func() { fuse.Close() }) // ends all calls that wait
	at := t.TempDir()
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fuse.Fd())
	if err := unix.Mount("nobody", at, "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		t.Skip("mounting FUSE:", err)
	}
	t.Cleanup(func() {
		fuse.Close()
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return at
}

// A group of version 1 with a limit, and a process in it that wants more, is throttled.
func TestThrottledByAGroup(t *testing.T) {
	const root = "/sys/fs/cgroup/cpu"
	folder := filepath.Join(root, fmt.Sprintf("bulkhead-test-%d", os.Getpid()))
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Skip("no group can be made:", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(folder); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(folder, "cpu.cfs_quota_us"), []byte("2000"), 0); err != nil {
		t.Skip("no limit of processor time:", err)
	}
	busy := exec.Command("sh", "-c", "while :; do :; done")
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		busy.Process.Kill()
		busy.Wait()
	})
	if err := os.WriteFile(filepath.Join(folder, "cgroup.procs"), fmt.Append(nil, busy.Process.Pid), 0); err != nil {
		t.Fatal(err)
	}
	s := New(Target{Paths: []string{t.TempDir()}}, Options{})
	for i := range s.groups { // as if this process were in it
		s.groups[i].Folder, s.groups[i].Path = folder, "/limited"
	}
	s.groups = s.groups[:1]
	l := s.Sample().GetProcessorLimits()
	if len(l) != 1 || l[0].GetQuotaNano() != int64(2*time.Millisecond) || l[0].GetPeriodNano() == 0 ||
		l[0].GetThrottling() != nil {
		t.Fatalf("limits %v", l)
	}
	for t.Context().Err() == nil {
		a := s.Sample().GetProcessorLimits()[0].GetThrottling()
		if a.GetThrottledPeriods() > 0 && a.GetThrottledNano() > 0 && a.GetPeriods() >= a.GetThrottledPeriods() {
			return
		}
	}
	t.Error("the group was never throttled")
}

// The interface of every local address is found, and what passes the loopback is counted.
func TestInterfaceTo(t *testing.T) {
	if name, err := interfaceTo(loopback, loopback); err != nil || name != "lo" {
		t.Errorf("to %v: %q, %v", loopback, name, err)
	}
	if name, err := interfaceTo(netip.IPv6LinkLocalAllNodes(), netip.Addr{}); err == nil && name == "" {
		t.Error("an interface without a name")
	}
	s := New(Target{Paths: []string{t.TempDir()}, Supervisor: loopback}, Options{})
	s.Sample()
	conn, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 1000
	if _, err := conn.Write(bytes.Repeat([]byte{1}, size)); err != nil {
		t.Fatal(err)
	}
	if a := s.Sample().GetInterfaces()[0].GetActivity(); a.GetSentBytes() < size || a.GetSentPackets() == 0 {
		t.Errorf("after a packet of %d bytes: %v", size, a)
	}
}

// A system that shows nothing is said to show nothing.
func TestNothingShown(t *testing.T) {
	folder := t.TempDir()
	m := New(Target{Paths: []string{folder}}, Options{Root: t.TempDir()}).Sample()
	if m.GetMemory() != nil || m.GetSystem() != 0 || len(m.GetDevices()) != 0 || len(m.GetInterfaces()) != 0 {
		t.Errorf("out of nothing: %v", m)
	}
	for _, name := range []string{"/proc/meminfo", "/proc/pressure/memory", "/proc/pressure/io",
		"/proc/self/mountinfo"} {
		if !slices.ContainsFunc(m.GetGaps(), func(g *bulkheadv1.MachineGap) bool {
			return g.GetReason() == notShown && strings.HasPrefix(g.GetAbout(), name)
		}) {
			t.Errorf("no gap of %s: %v", name, m.GetGaps())
		}
	}
}

// More folders than are looked at are said to be too many.
func TestManyFolders(t *testing.T) {
	root := t.TempDir()
	var paths []string
	for i := range maxPaths + 5 {
		paths = append(paths, filepath.Join(root, fmt.Sprint(i)))
		if err := os.Mkdir(paths[i], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	m := New(Target{Paths: paths}, Options{}).Sample()
	if f := m.GetFileSystems(); len(f) != 1 || f[0].GetConsumers() != maxPaths || !says(m, partFileSystem, tooMany,
		"") {
		t.Errorf("of %d folders: %v, %v", len(paths), f, m.GetGaps())
	}
}
