// Package neighbour is how clients that write to the same path, on shared storage, read each other's
// finished files: a Board tells others which files of a consumer are finished, a Search finds those
// that other clients tell of.
//
// Nobody is told a path: a Search looks below the folder that its own client's folder is in, opens
// folders and files there by the names that clients give them, and follows no symbolic link. It takes
// folders of its own user alone, with the record of another client of the same run. It only reads.
//
// # The list
//
// A consumer's folder has a file, names.Finished, of slots of 64 bytes, in no order. A slot is one
// finished file, or anything else, which is none. All numbers are little endian:
//
//	bytes  0– 3  "BHF" and the version, 1
//	byte   4     kind of data, and
//	byte   5     percent, as in the header of a block
//	bytes  6–15  zero
//	bytes 16–23  number of the file
//	bytes 24–31  generation
//	bytes 32–39  size that the file was to have
//	bytes 40–47  bytes that were written, from its beginning on
//	bytes 48–55  run (see block.Run)
//	bytes 56–63  xxHash64 of bytes 0–55
//
// # What may be relied on
//
// A file is entered after it was closed, and struck out before it is written over or removed; each
// time the list is opened, written to and closed. So on storage where who opens a file sees what was
// written before it was closed – NFS promises no more – a file that is opened after it was seen in
// the list holds what it should. One in which something else is found is wrong if the list, opened
// anew, still has it, and was otherwise being written over.
package neighbour
