// Package tiny makes the smallest program there is: what starting any process costs at least.
package tiny

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
)

// exitCode is a program that ends at once: exit(0), by the system's number of that call.
var exitCode = map[string][]byte{
	"amd64": {0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05},               // mov eax,60; xor edi,edi; syscall
	"arm64": {0xa8, 0x0b, 0x80, 0xd2, 0, 0, 0x80, 0xd2, 1, 0, 0, 0xd4}, // mov x8,93; mov x0,0; svc 0
}

// Write writes the smallest static program there is: one page, two system calls.
func Write(path string) error {
	code, machine := exitCode[runtime.GOARCH], elf.EM_X86_64
	if code == nil {
		return fmt.Errorf("no program for %s", runtime.GOARCH)
	}
	if runtime.GOARCH == "arm64" {
		machine = elf.EM_AARCH64
	}
	const at, header = 0x400000, 64 + 56
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Entry: at + header,
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64),
		byte(elf.ELFDATA2LSB), 1
	size := uint64(header + len(code))
	p := elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: at, Paddr: at,
		Filesz: size, Memsz: size, Align: 0x1000}
	var out bytes.Buffer
	for _, part := range []any{h, p, code} {
		if err := binary.Write(&out, binary.LittleEndian, part); err != nil {
			return err
		}
	}
	return os.WriteFile(path, out.Bytes(), 0o755)
}
