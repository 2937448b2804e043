// Package config turns a YAML file, the environment and command-line flags into
// one checked configuration for a supervisor or a client, and a file into a job.
//
// Every key is declared once, in the field table of its type (see
// Supervisor.fields and Client.fields): its name, default, range and help stand
// in one line, and the name of its environment variable follows from its name.
// Package value has the kinds of value and reads them. A value is taken from the
// first of these that gives one:
//
//	flag > environment > YAML > default
//
// Loading is strict and says everything at once: each unknown key, bad unit and
// impossible value is one line that names where it stands, its key, what is
// wrong and what would be valid. A value that a stronger source overrides is
// checked all the same. The number of problems shown is bounded, and so are the
// size of a file and the work it can cause: aliases are refused, never expanded.
//
// The per-consumer entries of a client (consumers: [{chunk_size: …}]) win over
// the plain keys of the same name wherever those come from: --chunk-size sets
// what consumers without a chunk_size of their own get, and no more.
//
// A job (see LoadJob) has no other source than its file. The loads in it are read by
// the keys of a client, of which a list names those that say what is written: what
// comes down to an agent in a job, which reads it once more, says nothing of where a
// client connects, who it is and what files of its machine it uses.
//
// The package touches no other file than the one it is given, resolves no host
// name and creates nothing. Whether a path is writable or a disk has room is
// for the caller to find out.
package config
