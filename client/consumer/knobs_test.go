package consumer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"bulkhead/client/block"
	"bulkhead/client/consumer/disk"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestAnyKnobs runs drawn combinations of everything a consumer can be told on real
// files: sizes are exact, every byte was written, and the accounts agree.
func TestAnyKnobs(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 2026))
	unit := directUnitOf(t, t.TempDir())
	for i := range 60 {
		spec := drawSpec(random, unit)
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			p := start(t, dial(t, New(Options{})), request(folder, 1, 1, func(task *bulkheadv1.ConsumerTask) {
				spec.Path, spec.Index = folder, 3
				task.Spec, task.Keep = spec, true
				task.RunId, task.ClientId = testRun, []byte(testClient)
			}))
			p.untilFiles(12)
			p.kill(0)
			messages := p.orderlyEnd()
			checkFiles(t, spec, messages)
			if t.Failed() {
				t.Logf("spec: %v", spec)
			}
		})
	}
}

// directUnitOf returns what O_DIRECT asks for in folder; 0 if it cannot be had.
func directUnitOf(t *testing.T, folder string) uint64 {
	t.Helper()
	d, err := disk.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	unit, err := d.DirectUnit()
	if err != nil {
		t.Logf("without O_DIRECT: %v", err)
		return 0
	}
	return uint64(unit)
}

// drawSpec draws a combination that can be had.
func drawSpec(random *rand.Rand, unit uint64) *bulkheadv1.ConsumerSpec {
	flip := func() bool { return random.IntN(2) == 0 }
	spec := &bulkheadv1.ConsumerSpec{
		Pattern:       bulkheadv1.Pattern(random.IntN(4)),
		Sync:          1 + bulkheadv1.SyncPolicy(random.IntN(5)),
		KeepFiles:     random.Uint32N(4),
		Concurrency:   random.Uint32N(4),
		Preallocate:   flip(),
		Direct:        unit > 0 && flip(),
		ReserveBytes:  random.Uint64N(2),
		ThinkTimeNano: random.Int64N(2),
	}
	step := uint64(1)
	if spec.Direct {
		step = unit
	}
	spec.ChunkSizeBytes = step * (1 + random.Uint64N(60_000/step))
	if spec.Pattern != bulkheadv1.Pattern_PATTERN_RANDOM && flip() {
		spec.ChunkSizes = weights(spec.ChunkSizeBytes, 1, step*(1+random.Uint64N(spec.ChunkSizeBytes/step)), 3)
	}
	spec.FileSizeBytes = spec.ChunkSizeBytes + random.Uint64N(300_000)
	if flip() {
		spec.MinFileSizeBytes = 1 + random.Uint64N(spec.FileSizeBytes)
	}
	if spec.Sync == bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES {
		spec.SyncBytes = 1 + random.Uint64N(100_000)
	}
	if spec.KeepFiles > 0 && spec.Pattern != bulkheadv1.Pattern_PATTERN_APPEND {
		spec.Recycle = flip()
	}
	if flip() {
		spec.RateBytesPerSecond = 1_000_000_000 // more than a think time of 1 ns allows cannot be had
	}
	spec.Data = &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind(random.IntN(5)), Seed: random.Uint64N(2)}
	if spec.Data.Kind >= bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE {
		spec.Data.Percent = random.Uint32N(101)
	}
	return spec
}

// checkFiles checks what is left of a load, and what was told of it.
func checkFiles(t *testing.T, spec *bulkheadv1.ConsumerSpec, messages []*bulkheadv1.Message) {
	t.Helper()
	least := spec.GetMinFileSizeBytes()
	if least == 0 {
		least = spec.GetFileSizeBytes()
	}
	last := make(map[string]*bulkheadv1.Rollover)
	var written uint64
	for _, r := range rollovers(messages) {
		written += r.GetSizeBytes()
		size := r.GetSizeBytes()
		if size > spec.GetFileSizeBytes() || size < least && !r.GetPartial() {
			t.Errorf("a file of %d bytes: %v", size, r)
		}
		if before := last[r.GetPath()]; r.GetGeneration() != before.GetGeneration()+1 ||
			before != nil && !spec.GetRecycle() {
			t.Errorf("generation %d of a file after generation %d: %v", r.GetGeneration(), before.GetGeneration(), r)
		}
		last[r.GetPath()] = r
	}
	there := 0
	for path, r := range last {
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) && !spec.GetRecycle() && spec.GetKeepFiles() > 0 {
			continue
		}
		there++
		if err != nil || uint64(len(content)) != r.GetSizeBytes() {
			t.Errorf("%s has %d bytes (%v), want %d", path, len(content), err, r.GetSizeBytes())
		}
		if !r.GetPartial() {
			checkContent(t, spec, r, content)
		}
	}
	most := int(spec.GetKeepFiles() + max(spec.GetConcurrency(), 1))
	if v := spec.GetVerify(); spec.GetRecycle() && (v == verifyRollover || v == verifyContinuous) {
		most++ // it was made while another one was read back, and is written over since
	}
	if spec.GetKeepFiles() > 0 && there > most {
		t.Errorf("%d files left, want at most %d", there, most)
	}
	total := sum(messages)
	if total.GetErrors() != 0 || total.GetBytes() > written ||
		total.GetBytes() < written && spec.GetPattern() != bulkheadv1.Pattern_PATTERN_RANDOM {
		t.Errorf("%d errors (%s); progress sums to %d bytes, files to %d", total.GetErrors(), total.GetLastError(),
			total.GetBytes(), written)
	}
}

const (
	testRun    = "20261124T032209Z-1a2b3c"
	testClient = "sixteen bytes id"
)

// checkContent checks that every block of a file says that it is of that file.
func checkContent(t *testing.T, spec *bulkheadv1.ConsumerSpec, r *bulkheadv1.Rollover, content []byte) {
	t.Helper()
	checker, err := block.NewChecker(block.File{
		Owner: block.Owner{Run: block.RunOf(testRun), Client: [16]byte([]byte(testClient)), Consumer: 3},
		Data: block.Data{Kind: block.KindOf(spec.GetData().GetKind()),
			Percent: uint8(spec.GetData().GetPercent())},
		Number:     r.GetFileIndex(),
		Generation: r.GetGeneration(),
		Size:       r.GetSizeBytes(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range checker.Check(nil, 0, content) {
		t.Errorf("%s at %d: %v: %s in the place of %s", r.GetPath(), fault.Offset, fault.Damage, fault.Found,
			fault.Expected)
	}
}
