package blackbox_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/internal/blackbox"
)

// open makes a box and opens its other side.
func open(t testing.TB, room int) (*os.File, *blackbox.Box) {
	t.Helper()
	f, err := blackbox.Create(room)
	if err != nil {
		t.Fatal(err)
	}
	b, err := blackbox.Open(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), f.Close()); err != nil {
			t.Error(err)
		}
	})
	return f, b
}

func want(t *testing.T, f *os.File, frame string, atWork bool) {
	t.Helper()
	got, at, err := blackbox.Read(f, 1<<20)
	if err != nil || at != atWork || string(got) != frame {
		t.Errorf("box = %q, at work %v, %v; want %q, %v", got, at, err, frame, atWork)
	}
}

func TestTheFrameAtWorkIsKept(t *testing.T) {
	f, b := open(t, 8)
	want(t, f, "", false)
	b.Begin([]byte("frame"))
	want(t, f, "frame", true)
	b.Done()
	want(t, f, "", false)
	b.Begin([]byte("in "), []byte("parts"))
	want(t, f, "in parts", true)
	b.Begin([]byte("longer than the box"))
	want(t, f, "longer t", true)
	b.Begin([]byte("abc"), []byte("defgh"), []byte("ijk"))
	want(t, f, "abcdefgh", true)
	b.Begin()
	want(t, f, "", true)
	if got, _, err := blackbox.Read(f, 0); err != nil || len(got) != 0 {
		t.Errorf("without room: %q, %v", got, err)
	}
}

func TestANilBoxKeepsNothing(t *testing.T) {
	var b *blackbox.Box
	b.Begin([]byte("frame"))
	b.Done()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestABoxHasAFixedSize(t *testing.T) {
	f, _ := open(t, 8)
	for _, size := range []int64{0, 1 << 20} {
		if err := f.Truncate(size); !errors.Is(err, unix.EPERM) {
			t.Errorf("changing the size to %d: %v; want EPERM", size, err)
		}
	}
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	memory := func(size int64, seals int) int {
		fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err == nil {
			err = unix.Ftruncate(fd, size)
		}
		if err == nil {
			_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
	for name, fd := range map[string]int{
		"not open": 1 << 20, "negative": -1, "a device": int(null.Fd()),
		"not sealed": memory(64, 0), "may shrink": memory(64, unix.F_SEAL_GROW),
		"empty": memory(0, seals), "a header": memory(16, seals), "too large": memory(1<<40, seals),
		"no magic": memory(64, seals),
	} {
		if b, err := blackbox.Open(fd); !errors.Is(err, blackbox.ErrNotABox) {
			t.Errorf("%s: Open = %v, %v; want ErrNotABox", name, b, err)
		}
	}
}

// FuzzRead reads what a hostile process may have written. Its corpus is in testdata.
func FuzzRead(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, room int) {
		room = min(room, 1<<20)
		frame, atWork, err := blackbox.Read(bytes.NewReader(data), room)
		switch {
		case err != nil && (frame != nil || atWork):
			t.Errorf("a frame (%q, %v) and an error: %v", frame, atWork, err)
		case !atWork && len(frame) > 0:
			t.Errorf("an idle box holds %q", frame)
		case len(frame) > max(0, room):
			t.Errorf("%d bytes for room of %d", len(frame), room)
		case err == nil && !bytes.HasPrefix(data[16:], frame):
			t.Errorf("%q is not in %q", frame, data)
		}
	})
}

func BenchmarkBegin(b *testing.B) {
	_, box := open(b, 1<<16)
	frame := make([]byte, 4096)
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		box.Begin(frame)
		box.Done()
	}
}

func TestAViewOutlivesItsFile(t *testing.T) {
	f, err := blackbox.Create(64)
	if err != nil {
		t.Fatal(err)
	}
	b, err := blackbox.Open(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	view, err := blackbox.Map(int(f.Fd()))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	b.Begin([]byte("the frame"))
	see := func(v io.ReaderAt, room int, frame string, atWork bool) {
		t.Helper()
		got, at, err := blackbox.Read(v, room)
		if err != nil || at != atWork || string(got) != frame {
			t.Errorf("box = %q, at work %v, %v; want %q, %v", got, at, err, frame, atWork)
		}
	}
	see(view, 1<<20, "the frame", true)
	see(view, 3, "the", true)
	copied, err := view.Copy(6)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	b.Done()
	see(view, 64, "", false)
	see(copied, 64, "the fr", true)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	see(view, 64, "", false) // also when its child is gone
	view.Close()
	view.Close()
	if _, _, err := blackbox.Read(view, 64); !errors.Is(err, blackbox.ErrNotABox) {
		t.Errorf("reading a closed view: %v", err)
	}
	if _, err := view.Copy(64); !errors.Is(err, os.ErrClosed) {
		t.Errorf("copying a closed view: %v", err)
	}
	if _, err := blackbox.Map(-1); !errors.Is(err, blackbox.ErrNotABox) {
		t.Errorf("mapping no file: %v", err)
	}
}
