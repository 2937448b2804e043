package budget_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

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
	b, err := budget.Inherited(inheritedAt)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n') // so that all begin together
	taken := 0
	for b.Take(n) {
		taken++
	}
	fmt.Println(taken)
	if !b.Spent() || b.Close() != nil {
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
	if !b.Spent() {
		t.Error("who made it does not see that it is spent")
	}
}

func TestWhatIsReturnedCanBeTaken(t *testing.T) {
	b, err := budget.New(10)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
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
	var none *budget.Budget
	if !none.Take(1<<62) || none.Spent() || none.File() != nil || none.Close() != nil {
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
	if _, err := budget.Inherited(int(r.Fd())); err == nil {
		t.Error("a pipe was taken for a budget")
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
			for n := 1; b.Take(n%5 + 1); n++ {
				if n%3 == 0 {
					b.Return(n%5 + 1)
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
