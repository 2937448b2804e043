package machine

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// fixture returns a file as kernels have given it.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func all(number) bool { return true }

// Lines of kernels with 14, 18 and 20 fields.
func TestParseDisks(t *testing.T) {
	got := parseDisks(fixture(t, "diskstats"), all)
	for n, want := range map[number]diskLine{
		{259, 0}: {"nvme0n1", []uint64{47114, 4, 4643973, 21650, 1078320, 43950, 39451633, 1011053, 222766, 1032546}},
		{252, 0}: {"dm-0", []uint64{59910002, 0, 1003337218, 46229572, 39231014, 0, 505696880, 1158557800, 11325968,
			1206301256}},
		{8, 1}: {"sdc1", []uint64{1027, 0, 13795, 5021, 2, 0, 4096, 3, 690, 4579}},
	} {
		if !reflect.DeepEqual(got[n], want) {
			t.Errorf("%v: %v; want %v", n, got[n], want)
		}
	}
	newest := parseDisks(fixture(t, "diskstats-6.18"), func(n number) bool { return n.major == 66 })
	if len(newest) != 1 || newest[number{66, 0}].name != "vdz" || len(newest[number{66, 0}].counters) != diskCounters {
		t.Errorf("of Linux 6.18: %v", newest)
	}
	for _, bad := range []string{"", "8 0 sda", "x y sda 1 2 3 4 5 6 7 8 9 10 11", "8 0 sda 1 2 3 4 5 -6 7 8 9 10 11",
		"   3    1   hda1 35486 38030 38030 38030"} {
		if got := parseDisks([]byte(bad), all); len(got) != 0 {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func TestAdded(t *testing.T) {
	for _, c := range []struct {
		from, to, want uint64
		ok             bool
	}{
		{5, 5, 0, true}, {5, 9, 4, true},
		{math.MaxUint32 - 1, 3, 5, true}, // wrapped at 32 bits
		{1 << 31, 3, 0, false},           // began anew
		{1 << 40, 3, 0, false}, {9, 5, 0, false}, {math.MaxUint64, 0, 0, false},
		{0, math.MaxUint64, 0, false}, {7, most + 7, most, true}, {7, most + 8, 0, false},
	} {
		if got, ok := added(c.from, c.to); got != c.want || ok != c.ok {
			t.Errorf("added(%d, %d) = %d, %v", c.from, c.to, got, ok)
		}
	}
}

func TestActivity(t *testing.T) {
	line := func(name string, n ...uint64) diskLine { return diskLine{name, n} }
	before := line("sda", 10, 1, 800, 40, 20, 2, 1600, math.MaxUint32-99, 5000, 9000)
	after := line("sda", 13, 1, 808, 46, 30, 2, 3648, 100, 5950, 10_900)
	got := activity(before, after, time.Second)
	want := &bulkheadv1.DeviceActivity{BusyNano: 950e6, Reads: 3, Writes: 10, ReadBytes: 4096, WrittenBytes: 1 << 20,
		ReadNano: 6e6, WriteNano: 200e6, QueuedNano: 1900e6}
	if !proto.Equal(got, want) {
		t.Errorf("activity %v; want %v", got, want)
	}
	reset := line("sda", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	other := line("sdb", after.counters...)
	if activity(before, reset, time.Second) != nil || activity(before, other, time.Second) != nil ||
		activity(before, line("sda"), time.Second) != nil {
		t.Error("a counter that began anew, another device or a line without counters gave figures")
	}
	if got := activity(before, after, 100*time.Millisecond); got != nil {
		t.Errorf("busy for 950 ms in 100 ms: %v", got)
	}
}

func TestParseNFS(t *testing.T) {
	old, ok := parseNFS(fixture(t, "mountstats-nfs4-rpc1.0"), "/mnt/nfs/test")
	if !ok || !slices.Equal(old.bytes, []uint64{1210214218, 0}) || !slices.Equal(old.connects, []uint64{1}) ||
		!slices.Equal(old.reads, []uint64{1298, 1298, 0, 207680, 1210292152, 6, 79386, 79407, 0}) {
		t.Errorf("of RPC 1.0: %+v, %v", old, ok)
	}
	const pod = "/var/lib/kubelet/pods/1c2215a7-0d92-4df5-83ce-a807bcc2f8c8/volumes/kubernetes.io~nfs/" +
		"home-automation--node-red-data--pv0001"
	newer, ok := parseNFS(fixture(t, "mountstats-nfs4-rpc1.1"), pod)
	if !ok || newer.writes[opCalls] != 322308 || newer.writes[opRTT] != 10139998 || newer.connects[0] != 2 ||
		newer.bytes[1] != 39087991255 {
		t.Errorf("of RPC 1.1: %+v, %v", newer, ok)
	}
	rdma, ok := parseNFS(fixture(t, "mountstats-nfs3-rdma"), "<mountpoint>")
	if !ok || len(rdma.connects) != 16 || rdma.connects[0] != 5808 || rdma.reads[opTotal] != 37927280438 {
		t.Errorf("over RDMA, with 16 connections: %+v, %v", rdma, ok)
	}
	if _, ok := parseNFS(fixture(t, "mountstats-nfs4-rpc1.1"), "/elsewhere"); ok {
		t.Error("a mount that is not there has counters")
	}
	later := nfsCounters{bytes: slices.Clone(newer.bytes), connects: []uint64{5}, reads: slices.Clone(newer.reads),
		writes: slices.Clone(newer.writes), others: slices.Clone(newer.others)}
	later.bytes[1] += 4096
	for i, n := range []uint64{4, 6, 1, 0, 0, 20, 8, 40, 2} {
		later.writes[i] += n
	}
	got := nfsActivity(newer, later)
	want := &bulkheadv1.NfsCalls{Calls: 4, Retransmissions: 2, Timeouts: 1, Errors: 2, QueuedNano: 20e6, RttNano: 8e6,
		TotalNano: 40e6}
	if got.GetWrittenBytes() != 4096 || got.GetReconnects() != 3 || !proto.Equal(got.GetWrites(), want) ||
		got.GetReads().GetCalls() != 0 {
		t.Errorf("activity %v", got)
	}
	if nfsActivity(later, newer) != nil {
		t.Error("a mount that was mounted anew gave figures")
	}
}

func TestMemoryOf(t *testing.T) {
	got := memoryOf(fixture(t, "meminfo-6.18"), fixture(t, "vmstat-6.18"), 4096)
	if got.GetTotalBytes() == 0 || got.GetAvailableBytes() > got.GetTotalBytes() ||
		got.GetBackgroundLimitBytes() >= got.GetDirtyLimitBytes() || got.GetDirtyLimitBytes()%4096 != 0 {
		t.Errorf("of Linux 6.18: %v", got)
	}
	const old = "nr_free_pages 9\nnr_dirty 2\nnr_writeback 3\nnr_writeback_temp 7\nnr_dirtied 99\n"
	got = memoryOf([]byte("MemTotal:  100 kB\nMemAvailable: 40 kB\n"), []byte(old), 4096)
	want := &bulkheadv1.Memory{TotalBytes: 102400, AvailableBytes: 40960, DirtyBytes: 8192, WritebackBytes: 12288}
	if !proto.Equal(got, want) {
		t.Errorf("memory %v; want %v", got, want)
	}
	if memoryOf([]byte("MemTotal: 100 kB\n"), []byte(old), 4096) != nil || memoryOf(nil, nil, 4096) != nil {
		t.Error("memory of nothing")
	}
}

func TestPressure(t *testing.T) {
	const text = "some avg10=0.10 avg60=2.00 avg300=3.85 total=15\n"
	if got, ok := parsePressure([]byte(text)); !ok || !slices.Equal(got, []uint64{15, 0}) { // before Linux 5.13
		t.Errorf("some alone: %v, %v", got, ok)
	}
	after, ok := parsePressure([]byte(text + "full avg10=0.20 avg60=3.00 avg300=4.95 total=25\n"))
	if got := pressure([]uint64{5, 5}, after); !ok || got.GetSomeNano() != 10_000 || got.GetFullNano() != 20_000 {
		t.Errorf("both: %v, %v", got, ok)
	}
	if _, ok := parsePressure([]byte("full\nsome avg10 avg60 avg300 total=x\n")); ok || pressure(after, []uint64{0,
		0}) != nil {
		t.Error("nonsense gave pressure")
	}
}

func TestLimits(t *testing.T) {
	for text, want := range map[string]quota{
		"20000 100000\n": {20 * time.Millisecond, 100 * time.Millisecond}, "150000 100000": {150 * time.Millisecond,
			100 * time.Millisecond},
	} {
		if got, ok := parseQuota(text); !ok || got != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"max 100000", "-1 100000", " ", "", "1", "0 100000", "5 0", "9223372036854775807 1"} {
		if got, ok := parseQuota(text); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
	v2, ok := parseThrottling([]byte("usage_usec 12\nuser_usec 7\nsystem_usec 5\nnr_periods 30\nnr_throttled 4\n"+
		"throttled_usec 1500\nnr_bursts 0\nburst_usec 0\n"), true)
	if !ok || !slices.Equal(v2, []uint64{30, 4, 1_500_000}) {
		t.Errorf("version 2: %v, %v", v2, ok)
	}
	v1, ok := parseThrottling([]byte("nr_periods 30\nnr_throttled 4\nthrottled_time 1500\n"), false)
	if !ok || !slices.Equal(v1, []uint64{30, 4, 1500}) {
		t.Errorf("version 1: %v, %v", v1, ok)
	}
	if _, ok := parseThrottling([]byte("usage_usec 12\n"), true); ok { // a root group
		t.Error("a group without a limit was throttled")
	}
}

func TestInterfaces(t *testing.T) {
	const dev = "Inter-|   Receive  |  Transmit\n face |bytes packets errs\n" +
		"    lo: 10 1    0    0    0     0          0         0 10 1    0    0    0     0       0          0\n" +
		"eth0:372963102   33071    1    2    0     0          0         0  2641772   29259    3    4    0  0  0  0\n"
	got := parseInterfaces([]byte(dev), func(name string) bool { return name == "eth0" })
	if want := map[string][]uint64{"eth0": {372963102, 33071, 1, 2, 2641772, 29259, 3, 4}}; !reflect.DeepEqual(got,
		want) {
		t.Errorf("interfaces %v; want %v", got, want)
	}
	a := netActivity(make([]uint64, 8), got["eth0"])
	if a.GetErrors() != 4 || a.GetDropped() != 6 || a.GetSentBytes() != 2641772 {
		t.Errorf("activity %v", a)
	}
	for text, want := range map[string]uint64{"1000\n": 1e9, "-1\n": 0, "4294967295": 0, "": 0, "25000": 25e9} {
		if got := parseSpeed(text); got != want {
			t.Errorf("speed %q: %d", text, got)
		}
	}
}

func TestParseMounts(t *testing.T) {
	const info = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n" +
		"40 27 0:52 / /mnt/a\\040b rw shared:1 master:2 - nfs4 srv:/x\\134y rw,vers=4.2,addr=192.0.2.9,port=0\n" +
		"41 27 254:0 /sub /again rw - ext4 /dev/vda rw\nnonsense\n1 2 3:x / / rw - a b\n"
	list := parseMounts([]byte(info))
	if len(list) != 3 || list[1].at != "/mnt/a b" || list[1].source != `srv:/x\y` || list[1].server() != "192.0.2.9" ||
		list[0].server() != "" {
		t.Fatalf("mounts %+v", list)
	}
	if m, ok := mountOf(list, 40, number{}); !ok || m.kind != "nfs4" {
		t.Errorf("by id: %+v, %v", m, ok)
	}
	if m, ok := mountOf(list, 0, number{254, 0}); !ok || m.id != 41 {
		t.Errorf("by device: %+v, %v", m, ok)
	}
	if _, ok := mountOf(list, 99, number{254, 0}); ok {
		t.Error("a mount that is not shown was found")
	}
}

// A tree of /sys in which a file system is on a logical volume over an array of two partitions.
func TestDevicesBelow(t *testing.T) {
	sys := t.TempDir()
	put := func(path, content string) {
		t.Helper()
		path = filepath.Join(sys, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, from string) {
		t.Helper()
		from = filepath.Join(sys, from)
		if err := os.MkdirAll(filepath.Dir(from), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(sys, to), from); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []struct{ disk, number string }{{"sda", "8:"}, {"sdb", "8:1"}} {
		put("devices/pci/"+d.disk+"/dev", d.number+"0")
		put("devices/pci/"+d.disk+"/device/model", "Disk of "+d.disk+"  ")
		put("devices/pci/"+d.disk+"/"+d.disk+"1/partition", "1")
		put("devices/pci/"+d.disk+"/"+d.disk+"1/dev", d.number+"1")
		link("devices/pci/"+d.disk+"/"+d.disk+"1", "devices/virtual/md0/slaves/"+d.disk+"1")
	}
	put("devices/virtual/md0/dev", "9:0")
	put("devices/virtual/md0/md/level", "raid1")
	put("devices/virtual/dm-0/dev", "253:0")
	put("devices/virtual/dm-0/dm/name", "vg0-data")
	link("devices/virtual/md0", "devices/virtual/dm-0/slaves/md0")
	link("devices/virtual/dm-0", "dev/block/253:0")
	link("devices/pci/sda/sda1", "dev/block/8:1")
	got := devicesBelow(sys, number{253, 0}, nil)
	want := []device{
		{number{253, 0}, "dm-0", "vg0-data", bulkheadv1.DeviceKind_DEVICE_KIND_MAPPING, false},
		{number{9, 0}, "md0", "raid1", bulkheadv1.DeviceKind_DEVICE_KIND_ARRAY, true},
		{number{8, 0}, "sda", "Disk of sda", bulkheadv1.DeviceKind_DEVICE_KIND_DISK, true},
		{number{8, 10}, "sdb", "Disk of sdb", bulkheadv1.DeviceKind_DEVICE_KIND_DISK, true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("devices\n%+v; want\n%+v", got, want)
	}
	if got := devicesBelow(sys, number{8, 1}, nil); len(got) != 1 || got[0].name != "sda" || got[0].below {
		t.Errorf("of a partition: %+v", got)
	}
	if got := devicesBelow(sys, number{7, 7}, nil); got != nil {
		t.Errorf("of none: %+v", got)
	}
	put("devices/virtual/loop3/dev", "7:3")
	put("devices/virtual/loop3/loop/backing_file", "/mnt/a/images/disk.img")
	link("devices/virtual/loop3", "dev/block/7:3")
	mounts := []mount{{at: "/", number: number{253, 0}}, {at: "/mnt/a", number: number{7, 3}},
		{at: "/mnt/a", number: number{8, 1}}, {at: "/mnt/a/image", number: number{253, 0}}}
	got = devicesBelow(sys, number{7, 3}, mounts)
	if len(got) != 2 || got[0].kind != bulkheadv1.DeviceKind_DEVICE_KIND_LOOP ||
		got[0].title != "/mnt/a/images/disk.img" || got[1].name != "sda" || !got[1].below {
		t.Errorf("of a loop device: %+v", got)
	}
	if got := devicesBelow(sys, number{7, 3}, mounts[1:2]); len(got) != 1 {
		t.Errorf("of a loop device that lies on itself: %+v", got)
	}
	if got := devicesBelow(sys, number{7, 3}, []mount{{at: "/mnt/a"}}); len(got) != 1 {
		t.Errorf("of a loop device on memory: %+v", got)
	}
}

// Whatever /proc says, no parser fails, and what is taken for figures is within their bounds.
func FuzzParsers(f *testing.F) {
	for _, name := range []string{"diskstats", "diskstats-6.18", "mountstats-nfs4-rpc1.0", "mountstats-nfs4-rpc1.1",
		"mountstats-nfs3-rdma", "vmstat-6.18", "meminfo-6.18"} {
		f.Add(fixture(f, name), fixture(f, name))
	}
	f.Add([]byte("some avg10=0 avg60=0 avg300=0 total=1\n"), []byte("nr_periods 1\nnr_throttled 1\nthrottled_usec 9\n"))
	f.Add([]byte("40 27 0:52 / /mnt/a\\040b rw - nfs4 s:/x rw,addr=::1\n"),
		[]byte(" lo: 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7\n"))
	// A driver's counter may go below zero.
	f.Add([]byte(" e: 1 2 0 0 5 6 7 8 9 1 2 0 5 6 7 8\n"), []byte(" e: 9 9 18446744073709551615 9 5 6 7 8 9 1 "+
		"18446744073709551615 9 5 6 7 8\n"))
	f.Add([]byte("8 0 sda 1 2 3 4 5 6 7 8 0 9 10\n"), []byte("8 0 sda 1 2 3 4 18446744073709551615 6 7 8 0 9 10\n"))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		can := func(what string, m proto.Message) {
			if !canBe(m.ProtoReflect()) {
				t.Errorf("%s: the report would leave out a sample with %v", what, m)
			}
		}
		first := parseDisks(before, all)
		for n, to := range parseDisks(after, all) {
			can("device", activity(first[n], to, time.Second))
		}
		mounts := parseMounts(before)
		for _, m := range append(mounts, mount{at: "/mnt/nfs/test"}) {
			m.server()
			a, ok := parseNFS(before, m.at)
			b, also := parseNFS(after, m.at)
			if ok && also {
				can("NFS", nfsActivity(a, b))
			}
		}
		can("memory", memoryOf(before, after, 4096))
		if a, ok := parsePressure(before); ok {
			if b, ok := parsePressure(after); ok {
				can("pressure", pressure(a, b))
			}
		}
		for _, unified := range []bool{false, true} {
			from, ok := parseThrottling(before, unified)
			if to, also := parseThrottling(after, unified); ok && also {
				can("limit", throttling(from, to))
			}
		}
		parseQuota(string(before))
		parseSpeed(string(before))
		outgoing(before)
		wanted := func(string) bool { return true }
		to := parseInterfaces(after, wanted)
		for name, from := range parseInterfaces(before, wanted) {
			can("network", netActivity(from, to[name]))
		}
	})
}

// canBe reports whether every number of a message is one that messages may hold.
func canBe(m protoreflect.Message) bool {
	can := true
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch field.Kind() {
		case protoreflect.Uint64Kind:
			can = v.Uint() <= most
		case protoreflect.Int64Kind:
			can = v.Int() >= 0 && v.Int() <= longest
		case protoreflect.MessageKind:
			can = canBe(v.Message())
		}
		return can
	})
	return can
}
