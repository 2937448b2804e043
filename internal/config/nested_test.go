package config

import (
	"strings"
	"testing"
)

// A value in the place of a map is answered with the map that it was meant to be.
func TestAValueForAMap(t *testing.T) {
	for _, row := range []struct{ yaml, want string }{
		{"labels: a=b", "labels: is a single value; it must be a map of labels, as in {a: b}"},
		{"labels: 'rack=3,disk=nvme'",
			"labels: is a single value; it must be a map of labels, as in {rack: 3, disk: nvme}"},
		{"labels: 'a=[b'", "labels: is a single value; it must be a map of labels, as in {rack: a3}"},
		{"labels: \"a=b #c\"", "labels: is a single value; it must be a map of labels, as in {rack: a3}"},
		{"labels: rack", "labels: is a single value; it must be a map of labels, as in {rack: a3}"},
		{"rate: 10MB", "rate: is a single value; it must be a map of bytes, chunks, as in {bytes: 10MB}"},
		{"rate: 50", "rate: is a single value; it must be a map of bytes, chunks, as in {chunks: 50}"},
		{"rate: 0", "rate: is a single value; it must be a map of bytes, chunks"},
		{"rate: fast", "rate: is a single value; it must be a map of bytes, chunks"},
		{"consumers: [{rate: 10MB}]",
			"consumers[0].rate: is a single value; it must be a map of bytes, chunks, as in {bytes: 10MB}"},
		{"stop_when: 10s", "stop_when: is a single value; it must be a map of steady, as in {steady: {window: 10s}}"},
		{"log: debug",
			"log: is a single value; it must be a map of level, format, progress_interval, as in {level: debug}"},
		{"log: json",
			"log: is a single value; it must be a map of level, format, progress_interval, as in {format: json}"},
		{"heartbeat: 1s", "heartbeat: is a single value; it must be a map of interval, timeout"},
	} {
		_, err := LoadClient(write(t, row.yaml), nil, nil)
		if err == nil || !strings.HasSuffix(err.Error(), ":1: "+row.want) {
			t.Errorf("%s:\n got %v\nwant %s", row.yaml, err, row.want)
		}
	}
	for _, row := range []struct{ yaml, want string }{
		{"http: 127.0.0.1:80",
			"http: is a single value; it must be a map of listen, token_file, hosts, as in {listen: 127.0.0.1:80}"},
		{"http: '[::1]:80'", "http: is a single value; it must be a map of listen, token_file, hosts"},
		{"http: 80", "http: is a single value; it must be a map of listen, token_file, hosts"},
	} {
		_, err := LoadSupervisor(write(t, row.yaml), nil, nil)
		if err == nil || !strings.HasSuffix(err.Error(), ":1: "+row.want) {
			t.Errorf("%s:\n got %v\nwant %s", row.yaml, err, row.want)
		}
	}
}
