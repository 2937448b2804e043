// Package clustered has the tests of runs whose journal is on an engine: real supervisors, handlers and
// clients, and three nats-server processes.
package clustered
