// Package remote reads runs whose journal is on an engine, for who is no supervisor and needs no state
// directory: the report, whether the journal and each of its replicas are whole, an ordinary run folder,
// and which runs there are. It changes nothing on the engine.
package remote
