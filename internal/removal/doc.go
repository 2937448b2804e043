// Package removal removes folders with all that another process has put there, which may have meant
// harm: any depth and width, names of any bytes, paths longer than the system takes, modes that let
// nobody in, links, and somebody who replaces one by the other meanwhile.
//
// It has four descriptors open, however deep the folders are, and does not call itself: it moves what
// is in a folder up to the topmost one, and so each folder is one level deep when its turn comes. No
// symbolic link is followed, and no mount point is crossed: what is mounted stays, with the folders
// that lead to it. It takes no longer than it may, if the system does not block it.
package removal
