package budget_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/client/budget"
)

// inheritedAt is where a child has its first extra file.
const inheritedAt = 3

const role = "BULKHEAD_TEST_TAKES"

func TestMain(m *testing.M) {
	if size := os.Getenv(role); size != "" {
		os.Exit(take(size))
	}
	os.Exit(m.Run())
}

// take takes until nothing is left, and returns how often it could.
func take(size string) int {
	n, err := strconv.Atoi(size)
	if err != nil {
		return 2
	}
	b, err := budget.Inherited(inheritedAt, 1)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n') // so that all begin together
	taken := 0
	for b.Of(0).Take(n) {
		taken++
	}
	fmt.Println(taken)
	if !b.Of(0).Spent() || b.Close() != nil {
		return 1
	}
	return 0
}

// Processes with several sizes take the total between them, and less than one of the
// sizes more.
func TestProcessesShareIt(t *testing.T) {
	const total = 1_000_003
	b, err := budget.New(total)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	type taker struct {
		size int
		cmd  *exec.Cmd
		out  *bufio.Reader
		in   interface{ Close() error }
	}
	var takers []taker
	for _, size := range []int{7, 7, 4, 9} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), role+"="+strconv.Itoa(size))
		cmd.ExtraFiles = []*os.File{b.File()}
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		takers = append(takers, taker{size, cmd, bufio.NewReader(out), in})
	}
	for _, k := range takers {
		if line, err := k.out.ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("%q, %v; want a taker that is ready", line, err)
		}
	}
	for _, k := range takers {
		k.in.Close()
	}
	sum := 0
	for _, k := range takers {
		var n int
		if _, err := fmt.Fscan(k.out, &n); err != nil {
			t.Fatal(err)
		}
		if err := k.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		sum += n * k.size
	}
	if sum < total || sum >= total+9 {
		t.Errorf("%d bytes were taken of %d; want as many, and less than 9 more", sum, total)
	}
	if !b.Of(0).Spent() {
		t.Error("who made it does not see that it is spent")
	}
}

func TestWhatIsReturnedCanBeTaken(t *testing.T) {
	shared, err := budget.New(10)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	b := shared.Of(0)
	if b.Spent() || !b.Take(8) || !b.Take(8) || b.Take(1) || !b.Spent() {
		t.Error("of 10, 8 and 8 can be taken, and no more")
	}
	b.Return(6)
	if !b.Spent() || b.Take(1) {
		t.Error("with 6 returned, exactly the total is taken")
	}
	b.Return(2)
	if b.Spent() || !b.Take(8) || !b.Spent() {
		t.Error("with 2 more returned, there is something left for one")
	}
}

func TestNoneIsWithoutLimit(t *testing.T) {
	var shared *budget.Shared
	none := shared.Of(0)
	if !none.Take(1<<62) || none.Spent() || shared.File() != nil || shared.Close() != nil {
		t.Error("a nil budget has a limit")
	}
	none.Return(1)
	if _, err := budget.New(1<<62 + 1); err == nil {
		t.Error("a budget of more than 2⁶² was made")
	}
}

func TestSomethingElseIsNoBudget(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	if _, err := budget.Inherited(int(r.Fd()), 1); err == nil {
		t.Error("a pipe was taken for a budget")
	}
}

// The budgets of several stages are apart, and whoever inherits them must know how many they are.
func TestSeveralAreApart(t *testing.T) {
	shared, err := budget.New(10, 0, 1<<62)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	if shared.Of(0).Spent() || !shared.Of(1).Spent() || shared.Of(2).Spent() {
		t.Error("of 10, 0 and 2⁶², only 0 is spent")
	}
	if !shared.Of(0).Take(10) || !shared.Of(0).Spent() || !shared.Of(2).Take(1) || shared.Of(1).Take(1) {
		t.Error("what is taken of one is taken of another")
	}
	for _, n := range []int{2, 4} {
		fd, err := unix.Dup(int(shared.File().Fd()))
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if _, err := budget.Inherited(fd, n); err == nil {
			t.Errorf("3 budgets were taken for %d", n)
		}
	}
	fd, err := unix.Dup(int(shared.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	other, err := budget.Inherited(fd, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.Of(0).Return(3)
	if shared.Of(0).Spent() || !shared.Of(1).Spent() {
		t.Error("what one side gives back is not there for the other")
	}
}

// Many goroutines, and the race detector.
func TestWritersShareIt(t *testing.T) {
	b, err := budget.New(50_000)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var mu sync.Mutex
	var writers sync.WaitGroup
	sum := 0
	for range 4 {
		writers.Go(func() {
			mine := 0
			for n := 1; b.Of(0).Take(n%5 + 1); n++ {
				if n%3 == 0 {
					b.Of(0).Return(n%5 + 1)
					continue
				}
				mine += n%5 + 1
			}
			mu.Lock()
			sum += mine
			mu.Unlock()
		})
	}
	writers.Wait()
	if sum < 50_000 || sum >= 50_000+5 {
		t.Errorf("%d were kept of 50000", sum)
	}
}
