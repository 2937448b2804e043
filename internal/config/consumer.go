package config

import (
	"fmt"
	"strconv"
	"strings"
)

// FileSync says when a consumer forces its files to storage.
type FileSync string

// The policies of FileSync.
const (
	// FileSyncNone leaves it to the system.
	FileSyncNone FileSync = "none"
	// FileSyncFile forces each file to storage once, at its end.
	FileSyncFile FileSync = "file"
)

// OnError says what a consumer does when an operation fails.
type OnError string

// The policies of OnError.
const (
	// OnErrorContinue counts the error and goes on after a pause.
	OnErrorContinue OnError = "continue"
	// OnErrorStop ends the consumer's work, in order.
	OnErrorStop OnError = "stop"
)

// Consumer is what one consumer writes.
type Consumer struct {
	// ChunkSize is how much one write call writes; at most FileSize.
	ChunkSize Size
	// FileSize is the exact size of a finished file.
	FileSize Size
	// Path is the folder that receives the files.
	Path string
	Sync FileSync
	// KeepFiles is how many finished files stay while running; 0 keeps all.
	KeepFiles int
	OnError   OnError
}

// ConsumerOverride is how one consumer differs from the others; nil is no
// difference.
type ConsumerOverride struct {
	ChunkSize *Size
	FileSize  *Size
	Path      *string
	Sync      *FileSync
	KeepFiles *int
	OnError   *OnError
}

// fields declares what can be set for all consumers and for each of them.
func (c *Consumer) fields() []field {
	return []field{
		sizeField("chunk_size", &c.ChunkSize, MiB, 1, GiB, "Bytes of one write call; at most file_size."),
		sizeField("file_size", &c.FileSize, 64*MiB, 1, 16*1024*GiB, "Exact size of a finished file."),
		pathField("path", &c.Path, "bulkhead-data", false, "Folder that receives the load files."),
		choiceField("sync", &c.Sync, FileSyncFile, "When files are forced to storage: each at its end (file), or never (none).", FileSyncNone, FileSyncFile),
		countField("keep_files", &c.KeepFiles, 2, 0, 1_000_000, "Finished files each consumer keeps while running; 0 keeps all."),
		choiceField("on_error", &c.OnError, OnErrorContinue, "What a consumer does when writing fails: count it and go on (continue), or end its work (stop).", OnErrorContinue, OnErrorStop),
	}
}

// Consumers lists what each consumer writes: ConsumerCount of them, those
// without an entry of their own like Consumer.
func (c *Client) Consumers() []Consumer {
	consumers := make([]Consumer, c.ConsumerCount)
	for i := range consumers {
		consumers[i] = c.Consumer
		if i < len(c.Overrides) {
			consumers[i] = c.Overrides[i].over(c.Consumer)
		}
	}
	return consumers
}

// over returns base with what o sets.
func (o ConsumerOverride) over(base Consumer) Consumer {
	replace(&base.ChunkSize, o.ChunkSize)
	replace(&base.FileSize, o.FileSize)
	replace(&base.Path, o.Path)
	replace(&base.Sync, o.Sync)
	replace(&base.KeepFiles, o.KeepFiles)
	replace(&base.OnError, o.OnError)
	return base
}

func replace[T any](dst, value *T) {
	if value != nil {
		*dst = *value
	}
}

// overridesField declares the list of entries for single consumers.
func (c *Client) overridesField() field {
	return field{
		Key: Key{
			Name: "consumers", Kind: "list", Valid: "at most consumer_count entries of chunk_size, file_size, path, sync, keep_files, on_error",
			Help: "Settings of single consumers, from the first on, over the keys above.",
		},
		reset: func() { c.Overrides = nil },
		node:  c.readOverrides,
	}
}

func (c *Client) readOverrides(l *loader, e entry) {
	l.items(e, "a list of maps, as in [{chunk_size: 4MiB}]", func(item entry) {
		c.Overrides = append(c.Overrides, readOverride(l, item))
	})
}

// readOverride reads the settings of one consumer.
func readOverride(l *loader, e entry) ConsumerOverride {
	var values Consumer
	l.section(e, "", values.fields())
	var o ConsumerOverride
	given(l, e.path+".chunk_size", &o.ChunkSize, &values.ChunkSize)
	given(l, e.path+".file_size", &o.FileSize, &values.FileSize)
	given(l, e.path+".path", &o.Path, &values.Path)
	given(l, e.path+".sync", &o.Sync, &values.Sync)
	given(l, e.path+".keep_files", &o.KeepFiles, &values.KeepFiles)
	given(l, e.path+".on_error", &o.OnError, &values.OnError)
	return o
}

// given points dst at value if the file has set the key at path.
func given[T any](l *loader, path string, dst **T, value *T) {
	if l.origins[path].source != fromDefault {
		*dst = value
	}
}

// checkOverrides reports more entries than consumers.
func (c *Client) checkOverrides(l *loader) {
	if len(c.Overrides) <= c.ConsumerCount || l.broken["consumer_count"] {
		return
	}
	l.problem(l.origins["consumers"], "consumers", fmt.Sprintf(
		"has %d entries, but consumer_count is %d (%s); raise consumer_count, or remove entries",
		len(c.Overrides), c.ConsumerCount, l.origins["consumer_count"]))
}

// checkConsumers reports every consumer whose chunks do not fit its files; those
// that have both sizes from the same keys share one line.
func (c *Client) checkConsumers(l *loader) {
	if l.broken["consumer_count"] {
		return
	}
	var alike []string // consumers without sizes of their own
	for i, consumer := range c.Consumers() {
		chunk := l.consumerOperand(i, "chunk_size", consumer.ChunkSize)
		file := l.consumerOperand(i, "file_size", consumer.FileSize)
		if chunk.key == "chunk_size" && file.key == "file_size" {
			alike = append(alike, strconv.Itoa(i))
			continue
		}
		l.atMost(chunk, file, "consumer "+strconv.Itoa(i))
	}
	if len(alike) > 0 {
		const shown = 8
		who := "consumer " + alike[0]
		if len(alike) > shown {
			who = fmt.Sprintf("consumers %s … and %d more", strings.Join(alike[:shown], ", "), len(alike)-shown)
		} else if len(alike) > 1 {
			who = "consumers " + strings.Join(alike, ", ")
		}
		l.atMost(sizeOperand("chunk_size", c.Consumer.ChunkSize), sizeOperand("file_size", c.Consumer.FileSize), who)
	}
}

// consumerOperand names a consumer's size by its own key if it has one, else by
// the key it gets the size from.
func (l *loader) consumerOperand(i int, name string, value Size) operand {
	own := fmt.Sprintf("consumers[%d].%s", i, name)
	if l.origins[own].source != fromDefault || l.broken[own] {
		return sizeOperand(own, value)
	}
	return sizeOperand(name, value)
}
