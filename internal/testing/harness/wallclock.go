package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The wall clock of a program that BuildSteppable built is ahead of the system's by what
// the file beside it says, in seconds. Its monotonic clock is the system's.
const wallClockFile = ".wallclock"

// steppedNow is compiled into package time. It reads that file again and again beside
// the program: Now is called where nothing may block.
const steppedNow = `package time

import (
	"sync/atomic"
	"syscall"
)

var wallStep atomic.Int64

func init() {
	wallStep.Store(readWallStep())
	go func() {
		for {
			Sleep(10 * Millisecond)
			wallStep.Store(readWallStep())
		}
	}()
}

func readWallStep() int64 {
	var name [4096]byte
	n, err := syscall.Readlink("/proc/self/exe", name[:])
	if err != nil {
		return 0
	}
	fd, err := syscall.Open(string(name[:n])+"` + wallClockFile + `", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	var text [32]byte
	n, _ = syscall.Read(fd, text[:])
	syscall.Close(fd)
	var step int64
	sign := int64(1)
	for i := range max(n, 0) {
		switch c := text[i]; {
		case c == '-':
			sign = -1
		case c >= '0' && c <= '9':
			step = 10*step + int64(c-'0')
		}
	}
	return sign * step
}
`

// BuildSteppable builds the programs into dir, bulkhead with a wall clock that SetWallClock
// sets: the real program with another time.Now, as in a virtual machine of which the clock
// is set.
func BuildSteppable(dir string) error {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("asking go where its source is: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	text, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		return err
	}
	const reading = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), reading) != 1 {
		return fmt.Errorf("time.Now of this Go does not begin with %q", reading)
	}
	stepped := strings.Replace(string(text), reading, reading+"\tsec += wallStep.Load()\n", 1)
	replaced := make(map[string]string)
	for name, content := range map[string]string{"time.go": stepped, "wallstep.go": steppedNow} {
		path := filepath.Join(dir, name+".txt")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
		replaced[filepath.Join(source, name)] = path
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return err
	}
	overlayPath := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayPath, overlay, 0o644); err != nil {
		return err
	}
	for program, flags := range map[string][]string{
		"bulkhead": {"-overlay", overlayPath}, "bulkhead-handler": nil, // its sandbox would not let it read the file
	} {
		cmd := exec.Command("go", append(append([]string{"build", "-o", dir + string(filepath.Separator)}, flags...),
			"bulkhead/cmd/"+program)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", program, err, out)
		}
	}
	return nil
}

// SetWallClock sets the wall clock of the bulkhead in bin to so many seconds ahead of the
// system's.
func SetWallClock(bin string, seconds int64) error {
	path := filepath.Join(bin, "bulkhead"+wallClockFile)
	if err := os.WriteFile(path+".new", []byte(strconv.FormatInt(seconds, 10)), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
