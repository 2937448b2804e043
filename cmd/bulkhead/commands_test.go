package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	// patience is how long a script waits for something to happen.
	patience = 60 * time.Second
	// pollEvery is the time between two looks at whether it has.
	pollEvery = 20 * time.Millisecond
)

// commands returns what scripts can use beside testscript's own commands.
func commands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"exits":     cmdExits,
		"start":     cmdStart,
		"signal":    cmdSignal,
		"end":       cmdEnd,
		"until":     cmdUntil,
		"addr":      cmdAddr,
		"json":      cmdJSON,
		"jsonlines": cmdJSONLines,
		"empty":     cmdEmpty,
	}
}

// usage ends a script that uses a command wrongly.
func usageIf(ts *testscript.TestScript, wrong bool, text string) {
	if wrong {
		ts.Fatalf("usage: %s", text)
	}
}

// cmdExits runs a program, which must exit with the status, and sets stdout and
// stderr.
//
//	exits STATUS PROGRAM [ARG…]
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	usageIf(ts, neg || len(args) < 2, "exits STATUS PROGRAM [ARG…]")
	if got := exitStatus(ts.Exec(args[1], args[2:]...)); got != args[0] {
		ts.Fatalf("%s ended with %s; want exit status %s", args[1], got, args[0])
	}
}

// exitStatus returns how a program ended: "0", "2", or in words if it did not exit.
func exitStatus(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "0"
	case errors.As(err, &exit) && exit.Exited():
		return strconv.Itoa(exit.ExitCode())
	default:
		return err.Error()
	}
}

// cmdStart starts a program in the background. What it prints is in NAME.out and
// NAME.err as it comes. It has the environment that the script began with; more is
// given by env(1). It must have been ended when the script ends.
//
//	start NAME PROGRAM [ARG…]
func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	usageIf(ts, neg || len(args) < 2, "start NAME PROGRAM [ARG…]")
	ts.Check(processesOf(ts).start(args[0], ts.MkAbs("."), args[1:]))
}

// cmdSignal sends a signal to a program of start.
//
//	signal NAME INT|TERM|KILL|STOP|CONT
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	usageIf(ts, neg || len(args) != 2, "signal NAME SIGNAL")
	ts.Check(processesOf(ts).signal(args[0], args[1]))
}

// cmdEnd waits until a program of start has ended. It must exit with the status,
// or be killed by the signal.
//
//	end NAME STATUS|SIGNAL
func cmdEnd(ts *testscript.TestScript, neg bool, args []string) {
	usageIf(ts, neg || len(args) != 2, "end NAME STATUS|SIGNAL")
	ts.Check(processesOf(ts).await(args[0], args[1]))
}

// cmdUntil runs a program again and again until what it prints to stdout matches
// (as grep does), and sets stdout and stderr.
//
//	until PATTERN PROGRAM [ARG…]
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	usageIf(ts, neg || len(args) < 2, "until PATTERN PROGRAM [ARG…]")
	untilMatch(ts, args[0], args[1:])
}

// untilMatch does the work of until and returns the match and its groups.
func untilMatch(ts *testscript.TestScript, pattern string, program []string) []string {
	re, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	for deadline := time.Now().Add(patience); ; time.Sleep(pollEvery) {
		err := ts.Exec(program[0], program[1:]...)
		if match := re.FindStringSubmatch(ts.ReadFile("stdout")); match != nil {
			return match
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s never printed %s; last (%v):\n%s%s", program[0], pattern, err, ts.ReadFile("stdout"),
				ts.ReadFile("stderr"))
		}
	}
}

// cmdAddr waits until the supervisor of a state directory answers, and sets $ADDR
// to the address it listens on.
//
//	addr STATE_DIR
func cmdAddr(ts *testscript.TestScript, neg bool, args []string) {
	usageIf(ts, neg || len(args) != 1, "addr STATE_DIR")
	match := untilMatch(ts, `(?s)"run_id": +"[^"]+".*"listen": +"([^"]+)"`,
		[]string{"bulkhead", "supervisor", "status", "--json", "--state-dir", args[0]})
	ts.Setenv("ADDR", match[1])
}

// cmdJSON compares a value in a JSON file, or in stdout, as text. A path is names
// with dots between them; a list's item is chosen by its index or by one of its
// fields: clients[0].outcome, clients[name=a].workload.consumers[1].path. The
// length of a list is at PATH.length.
//
//	[!] json FILE PATH VALUE
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	usageIf(ts, len(args) != 3, "json FILE PATH VALUE")
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	var top any
	ts.Check(d.Decode(&top))
	value, err := lookUp(top, args[1])
	ts.Check(err)
	if got := fmt.Sprint(value); (got == args[2]) == neg {
		ts.Fatalf("%s in %s is %q", args[1], args[0], got)
	}
}

// lookUp finds the value at a path.
func lookUp(v any, path string) (any, error) {
	for name := range strings.SplitSeq(strings.ReplaceAll(path, "[", ".["), ".") {
		next, err := lookUpOne(v, name)
		if err != nil {
			return nil, fmt.Errorf("%s: at %s: %w", path, name, err)
		}
		v = next
	}
	return v, nil
}

// lookUpOne finds the value at one step of a path: name, [index], [field=value] or length.
func lookUpOne(v any, step string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if value, ok := v[step]; ok {
			return value, nil
		}
		return nil, fmt.Errorf("no such field in %v", v)
	case []any:
		if step == "length" {
			return len(v), nil
		}
		field, want, named := strings.Cut(strings.Trim(step, "[]"), "=")
		for i, item := range v {
			fields, _ := item.(map[string]any)
			if named && fmt.Sprint(fields[field]) == want || !named && strconv.Itoa(i) == field {
				return item, nil
			}
		}
		return nil, fmt.Errorf("no such item in %v", v)
	default:
		return nil, fmt.Errorf("%v has no fields", v)
	}
}

// cmdJSONLines checks that a file holds nothing but lines of JSON, at least one,
// and each with all of the fields.
//
//	jsonlines FILE FIELD…
func cmdJSONLines(ts *testscript.TestScript, neg bool, args []string) {
	usageIf(ts, neg || len(args) < 2, "jsonlines FILE FIELD…")
	text := ts.ReadFile(args[0])
	if text == "" {
		ts.Fatalf("%s is empty", args[0])
	}
	for line := range strings.Lines(text) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			ts.Fatalf("%s: %v: %s", args[0], err, line)
		}
		for _, name := range args[1:] {
			if _, ok := fields[name]; !ok {
				ts.Fatalf("%s: no field %s: %s", args[0], name, line)
			}
		}
	}
}

// cmdEmpty checks that folders are (not) empty.
//
//	[!] empty DIR…
func cmdEmpty(ts *testscript.TestScript, neg bool, args []string) {
	usageIf(ts, len(args) == 0, "empty DIR…")
	for _, dir := range args {
		f, err := os.Open(ts.MkAbs(dir))
		if os.IsNotExist(err) && !neg {
			continue
		}
		ts.Check(err)
		names, err := f.Readdirnames(-1)
		f.Close()
		if err != nil && err != io.EOF {
			ts.Check(err)
		}
		if (len(names) == 0) == neg {
			ts.Fatalf("%s holds %d entries: %q", dir, len(names), names)
		}
	}
}
