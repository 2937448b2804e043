// Package units holds the tests of the systemd units in configs/systemd: a real systemd
// runs them, unchanged, installed by the commands in docs/operating.md.
//
// It runs as the first process of a machine of its own: namespaces for processes, mounts,
// network, host name, IPC and cgroups, and a root with the system's /usr, read-only, and
// an /etc, a /var and a /dev of its own. Nothing it does reaches the system on which the
// tests run, and all of it ends with the test.
//
// The tests need root and the Debian package systemd. Without them, or where the system
// refuses namespaces, they are skipped; where CI is set a missing systemd fails them.
package units
