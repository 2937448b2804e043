// Package units holds the tests of the systemd units in configs/systemd: a real systemd
// runs them, unchanged, installed by the commands that docs/operating.md has for it.
//
// It runs as the first process of a machine of its own: namespaces for processes, mounts,
// network, host name, IPC and cgroups, and a root that has /usr of the system, read-only,
// and an /etc, a /var and a /dev that were made for it. Nothing it does reaches the system
// that the tests run on, and all of it ends with the test.
//
// The tests need root and the Debian package systemd. Without them, or where the system
// refuses namespaces, they are skipped; where CI is set a missing systemd fails them.
package units
