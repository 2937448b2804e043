package filter

import (
	"fmt"
	"strings"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Machine is a machine that there are programs for.
type Machine struct {
	// Name is Go's.
	Name string
	// audit is how the kernel calls it, and column where numbers has it.
	audit  uint32
	column int
	// otherCalls is from which number on a call is one of another kind of program; 0 for none.
	otherCalls uint32
}

// Machines are those that there are programs for.
func Machines() []Machine {
	return []Machine{
		{"amd64", unix.AUDIT_ARCH_X86_64, 0, 0x4000_0000}, // __X32_SYSCALL_BIT
		{"arm64", unix.AUDIT_ARCH_AARCH64, 1, 0},
	}
}

// Number returns the number of a call; ok is false if the machine has none.
func (m Machine) Number(call string) (n uint32, ok bool) {
	of, known := numbers[call]
	if !known || of[m.column] == none {
		return 0, false
	}
	return uint32(of[m.column]), true
}

// Program is a program of seccomp(2), and what is not known before it is used.
type Program struct {
	Code []bpf.RawInstruction
	// Pids are the instructions whose operand is the number of the process.
	Pids []int
	// Unknown is the instruction whose operand is what becomes of calls that no rule decides; there
	// may be several.
	Unknown []int
}

// Where the kernel has what a program decides by: struct seccomp_data.
const (
	atNumber = 0
	atArch   = 4
	atArgs   = 16
)

// Compile returns the program of a machine.
func Compile(m Machine) (Program, error) {
	p := assembler{}
	p.add(bpf.LoadAbsolute{Off: atArch, Size: 4})
	p.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: m.audit, SkipTrue: 1})
	p.ret(Kill)
	p.add(bpf.LoadAbsolute{Off: atNumber, Size: 4})
	if m.otherCalls > 0 {
		p.add(bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: m.otherCalls, SkipFalse: 1})
		p.ret(Kill)
	}
	seen := make(map[string]bool)
	for _, r := range rules {
		var nrs []uint32
		for _, call := range strings.Fields(r.calls) {
			if _, known := numbers[call]; !known || seen[call] {
				return Program{}, fmt.Errorf("%s is no call, or has two rules", call)
			}
			seen[call] = true
			if n, ok := m.Number(call); ok {
				nrs = append(nrs, n)
			}
		}
		if len(nrs) > 0 {
			p.rule(r, nrs)
		}
	}
	p.ret(Unknown)
	raw, err := bpf.Assemble(p.code)
	if err != nil {
		return Program{}, fmt.Errorf("assembling the filter of %s: %w", m.Name, err)
	}
	out := Program{Code: raw}
	for i, in := range p.code {
		switch in := in.(type) {
		case bpf.JumpIf:
			if in.Val == ownPid {
				out.Pids = append(out.Pids, i)
			}
		case bpf.RetConstant:
			if in.Val == uint32(Unknown) {
				out.Unknown = append(out.Unknown, i)
			}
		}
	}
	return out, nil
}

// assembler gathers the instructions of a program.
type assembler struct{ code []bpf.Instruction }

func (p *assembler) add(i ...bpf.Instruction) { p.code = append(p.code, i...) }
func (p *assembler) ret(a Action)             { p.add(bpf.RetConstant{Val: uint32(a)}) }

// mostCalls is how many calls one rule compares with in a row: no jump leads further.
const mostCalls = 200

// rule adds what a rule says of the calls of these numbers. It goes on behind the rule with any
// other call.
func (p *assembler) rule(r rule, nrs []uint32) {
	for ; len(nrs) > mostCalls; nrs = nrs[mostCalls:] {
		p.rule(r, nrs[:mostCalls])
	}
	body := assembler{}
	for _, set := range r.when {
		body.set(set, r.do)
	}
	switch {
	case len(r.when) == 0:
		body.ret(r.do)
	case r.els != 0:
		body.ret(r.els)
	default:
		body.ret(Unknown)
	}
	for i, n := range nrs {
		jump := bpf.JumpIf{Cond: bpf.JumpEqual, Val: n, SkipTrue: uint8(len(nrs) - 1 - i)}
		if i == len(nrs)-1 {
			jump.SkipFalse = uint8(len(body.code))
		}
		p.add(jump)
	}
	p.add(body.code...)
}

// set adds what becomes of a call whose arguments pass all checks. It goes on behind them with any
// other.
func (p *assembler) set(checks []check, do Action) {
	size := 1 // of what follows, from behind: the return
	var parts [][]bpf.Instruction
	for i := len(checks) - 1; i >= 0; i-- {
		part := checks[i].code(size)
		size += len(part)
		parts = append(parts, part)
	}
	for i := len(parts) - 1; i >= 0; i-- {
		p.add(parts[i]...)
	}
	p.ret(do)
}

// code returns the instructions of a check, which skips so many instructions behind it if the
// argument does not pass.
func (c check) code(skip int) []bpf.Instruction {
	at := uint32(atArgs + 8*c.arg)
	code := []bpf.Instruction{bpf.LoadAbsolute{Off: at + 4, Size: 4}, nil, bpf.LoadAbsolute{Off: at, Size: 4}}
	for i, v := range c.values {
		jump := bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(c.values) - 1 - i)}
		if i == len(c.values)-1 {
			jump.SkipFalse = uint8(skip)
		}
		code = append(code, jump)
	}
	code[1] = bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: uint8(len(code) - 2 + skip)}
	return code
}
