// Package verify reads files of consumers back and compares them with what was
// written.
//
// A Reader checks one file of which the identity is known, as a consumer does with its
// own. Survey checks what a client has left behind, by the names of folders and files
// and by what the blocks say (see package block).
//
// # Where the bytes come from
//
// What the page cache holds is what was written, not what storage kept. So files are
// read with O_DIRECT. Where the file system does not have it, or says that it means nothing
// there (ext4 that journals or encrypts data), the file's dirty pages are
// written out and all its pages dropped, and those that stay nevertheless (locked, in
// use by others, or not ours to ask about) are counted as cached. On file systems that are in
// memory (tmpfs, ramfs), or that keep a cache of their own behind O_DIRECT (zfs,
// overlayfs, FUSE and 9p), every byte counts as cached. Caches beyond the kernel, those
// of a drive, a controller, a server or a hypervisor, cannot be seen from here.
//
// Nothing is written, and no symbolic link is followed below the path that was asked for.
package verify
