package frame

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// The form is on disks: it never changes.
func TestFormOfAFrame(t *testing.T) {
	const want = "05000000" + "a1b1174e" + "68656c6c6f"
	if got := hex.EncodeToString(Append(nil, []byte("hello"))); got != want {
		t.Errorf("the frame of %q is %s; want %s", "hello", got, want)
	}
}

func TestEveryBitCounts(t *testing.T) {
	whole := Append([]byte("before"), []byte("a payload"))[len("before"):]
	if Length(whole) != 9 || !Matches(whole[:HeaderBytes], whole[HeaderBytes:]) {
		t.Fatalf("a whole frame of %d bytes does not match", Length(whole))
	}
	for bit := range 8 * len(whole) {
		broken := bytes.Clone(whole)
		broken[bit/8] ^= 1 << (bit % 8)
		if Matches(broken[:HeaderBytes], broken[HeaderBytes:]) {
			t.Errorf("bit %d can be flipped", bit)
		}
	}
}

func TestCheckInPieces(t *testing.T) {
	f := Append(nil, []byte("in several pieces"))
	c := NewCheck(f[:HeaderBytes])
	for i := HeaderBytes; i < len(f); i++ {
		if c.OK() {
			t.Errorf("the first %d bytes match", i)
		}
		c.Add(f[i : i+1])
	}
	if !c.OK() {
		t.Error("the whole payload does not match")
	}
}

func TestSetEnd(t *testing.T) {
	for _, payload := range []string{"four", "eight of", "a payload that is longer than the others"} {
		for _, end := range []uint32{0, 1, 1 << 31, ^uint32(0), 0x12345678} {
			changed := Append(nil, []byte(payload))
			SetEnd(changed, end)
			want := Append(nil, binary.LittleEndian.AppendUint32([]byte(payload[:len(payload)-4]), end))
			if !bytes.Equal(changed, want) {
				t.Errorf("%q with the end %x is %x, want %x", payload, end, changed, want)
			}
		}
	}
}
