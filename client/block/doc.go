// Package block is the format of what consumers write: blocks that say whose they
// are, so that whoever reads one back can tell whether it is the right one, and name
// the one that was found instead.
//
// What is at any offset of a file follows from the data pool, the file's identity and
// the offset alone, so a file is the same whatever the sizes and the order of the
// chunks in which it is written. A Source makes the chunks, a Checker checks what is
// read, Parse reads a single header. The package does no I/O. A reader needs
// neither the pool nor its seed.
//
// # Format, version 1
//
// All numbers are little endian. A file is a sequence of blocks of 4096 bytes; the
// last one may be shorter. A block is a sequence of sectors of 512 bytes; its last
// one may be shorter. Sectors are numbered from 0 through the file.
//
// The first sector of a block begins with a header of 64 bytes:
//
//	bytes  0– 3  "BHB" and the format version, 1
//	byte   4     kind of data: 1 random, 2 zeros, 3 compressible, 4 dedupable
//	byte   5     percent, of compressible and dedupable data; else 0
//	bytes  6–11  number of the file, 48 bits
//	bytes 12–15  number of the consumer
//	bytes 16–31  id of the client
//	bytes 32–39  run (see Run)
//	bytes 40–43  generation of the file
//	bytes 44–49  size that the file is to have, 48 bits
//	bytes 50–55  offset of the block, 48 bits
//	bytes 56–63  seal of the sector
//
// The other sectors begin with a stamp of 16 bytes: the sector's mark, then its seal.
// With xxh64 the xxHash64 of seed 0, and arithmetic modulo 2⁶⁴:
//
//	A       = xxh64(header bytes 0–49)
//	B       = xxh64(header bytes 0–49, then six bytes 0xff)
//	mark(s) = scramble(A + (s+1)·0x9e3779b97f4a7c15)    of sector number s
//	seal(s) = (mark(s) + B) xor xxh64(payload)          payload: the sector's bytes
//	                                                    behind the header or stamp
//	scramble(z): z = z·0xff51afd7ed558ccd; z xor z>>33
//
// So every sector proves for itself what it is and that it is whole: the mark follows
// from the identity and the place, the seal from both and the content. A mark can be
// inverted: one that is out of place tells which sector of the file it is from.
//
// Exceptions:
//
//   - A sector that is shorter than its stamp has as much of it as fits. A block
//     shorter than a header has bytes of scramble(B + (8b+j+1)·0x9e3779b97f4a7c15), b being
//     the block's number and j = 0 to 7 the number of the word of 8 bytes.
//   - The last bytes of each block of compressible data are zeros: percent of 4096,
//     rounded to a multiple of 16, at most 4032. In zeros data all bytes behind the
//     header are. A sector that is all zeros by this has no stamp.
//   - In zeros data only the blocks whose offset is a multiple of 1 MiB have a header.
//     The others are zeros to the last byte; 255 of 256 blocks can be left out by storage
//     that does so. Nothing can tell such a block from one that was never written,
//     and nothing needs to: it reads as what was written.
//   - In dedupable data some blocks are shared: all copies of such a block are equal, in
//     all files of a consumer (of the same seed, if it has several writers). A
//     shared block's header has the file number 2⁴⁸−1, generation 0, size 0 and
//     the offset 4096·k; k, 0 to 31, says which of the 32 shared blocks it is. With n
//     the blocks of the file, rounded up, and
//     r = (number·n + b) mod 1024, block b is shared if
//     (r+1)·percent div 100 is more than r·percent div 100, and then k is
//     r·percent div 100 mod 32. A last block that is shorter than 4096 is never shared.
//
// # Cost
//
// A chunk is a window of a pool of random bytes made once (see Source), in
// which only headers and stamps are written, 176 bytes of 4096. The hashes of
// payloads are computed once, when the pool is made.
package block
