package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"bulkhead/internal/certs"
	"bulkhead/internal/testing/rawclient"
)

const (
	// wallConnects is how many clients connect one by one, and wallBurst how many come connecting at
	// a time, in each round of each arrangement.
	wallConnects = 60
	wallBurst    = 150
)

// walled is one arrangement of a supervisor: with or without the sandbox, and TLS.
type walled struct {
	name string
	args []string
	opts []grpc.DialOption // of its clients
}

// wallFigures are what is measured of each arrangement, with the verb that prints it.
var wallFigures = [...]struct{ name, verb string }{
	{"connect to first ack, ms", "%.2f"}, {"new clients/s", "%.0f"}, {"messages/s 8 × 128, thousands", "%.0f"},
	{"messages/s 8 × 1, thousands", "%.0f"}, {"MiB of a handler", "%.2f"},
}

// walls prints what the sandbox and TLS cost: each arrangement in turn, in each round, beside the one
// without either.
func (b *bench) walls() error {
	all, err := b.arrangementsOfWalls()
	if err != nil {
		return err
	}
	found, ratios := make([][len(wallFigures)]spread, len(all)), make([][len(wallFigures)]spread, len(all))
	for range b.rounds {
		var bare [len(wallFigures)]float64
		for i, w := range all {
			figures, err := b.measureWalls(w)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			if i == 0 {
				bare = figures
			}
			for f, n := range figures {
				found[i][f], ratios[i][f] = append(found[i][f], n), append(ratios[i][f], n/bare[f])
			}
		}
	}
	fmt.Fprintf(b.out, "\n(j) what the sandbox and TLS cost; median of %d (least–most), and to neither\n", b.rounds)
	t := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', 0)
	fmt.Fprint(t, "|\t")
	for _, w := range all {
		fmt.Fprintf(t, "| %s\t", w.name)
	}
	fmt.Fprint(t, "|\n|---\t")
	for range all {
		fmt.Fprint(t, "|---\t")
	}
	fmt.Fprintln(t, "|")
	for f, figure := range wallFigures {
		fmt.Fprintf(t, "| %s\t", figure.name)
		for i := range all {
			fmt.Fprintf(t, "| "+figure.verb+"; %s\t", found[i][f].median(), ratios[i][f].text("%.2f"))
		}
		fmt.Fprintln(t, "|")
	}
	return t.Flush()
}

// arrangementsOfWalls returns what is compared, the one without walls first.
func (b *bench) arrangementsOfWalls() ([]walled, error) {
	dir, err := newDir(b.dir)
	if err != nil {
		return nil, err
	}
	file := func(name string) string { return filepath.Join(dir, "certs", name) }
	const client = "lab"
	if _, err := certs.Init(file(""), certs.Plan{Addresses: []string{"127.0.0.1"}, Clients: []string{client},
		Valid: 24 * time.Hour}); err != nil {
		return nil, err
	}
	cert, key := certs.Files(client)
	pair, err := certs.LoadPair(file(cert), file(key))
	if err != nil {
		return nil, err
	}
	pool, err := certs.LoadPool(file(certs.CAFile))
	if err != nil {
		return nil, err
	}
	trusting := func(certificates ...tls.Certificate) []grpc.DialOption {
		return []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool,
			ServerName: "127.0.0.1", Certificates: certificates}))}
	}
	const off, on = "--handler-sandbox=off", "--handler-sandbox=best-effort"
	secure := []string{on, "--tls-cert", file(certs.SupervisorFile), "--tls-key", file(certs.SupervisorKey)}
	return []walled{
		{"neither", []string{off}, nil},
		{"sandbox", []string{on}, nil},
		{"sandbox, TLS", secure, trusting()},
		{"sandbox, TLS both ways", append(secure[:len(secure):len(secure)], "--tls-client-ca", file(certs.CAFile)),
			trusting(pair.TLS())},
	}, nil
}

// measureWalls returns the figures of one arrangement.
func (b *bench) measureWalls(w walled) (out [len(wallFigures)]float64, err error) {
	if out[0], out[1], err = b.connectsThroughWalls(w); err != nil {
		return out, err
	}
	for i, size := range []int{128, 1} {
		if out[2+i], err = b.throughHandlers(8, size, w); err != nil {
			return out, err
		}
		out[2+i] /= 1e3
	}
	out[4], err = b.memoryOfWalled(w)
	return out, err
}

// connectsThroughWalls returns the median milliseconds of a client's first ack, and how many new
// clients a second are served when many come at once.
func (b *bench) connectsThroughWalls(w walled) (ms, rate float64, err error) {
	s, err := b.supervisor(append([]string{"--clients", fmt.Sprint(wallConnects + wallBurst), "--linger", "0s",
		"--handler-pool", "8"}, w.args...)...)
	if err != nil {
		return 0, 0, err
	}
	defer s.Kill()
	var one spread
	for i := range wallConnects {
		ms, err := connectOnce(s.Addr, fmt.Sprintf("bench-%d", i), w.opts...)
		if err != nil {
			return 0, 0, fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
		}
		one = append(one, ms)
		time.Sleep(20 * time.Millisecond) // lets the pool refill: the handler is to be warm
	}
	numbers, errs := make(chan int), make(chan error, wallBurst)
	var wg sync.WaitGroup
	begun := time.Now()
	for range connecting {
		wg.Go(func() { // ends with numbers
			for i := range numbers {
				_, err := connectOnce(s.Addr, fmt.Sprintf("bench-burst-%d", i), w.opts...)
				errs <- err
			}
		})
	}
	for i := range wallBurst {
		numbers <- i
	}
	close(numbers)
	wg.Wait()
	took := time.Since(begun)
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	return one.median(), wallBurst / took.Seconds(), err
}

// memoryOfWalled returns the median MiB of a handler whose client has sent something.
func (b *bench) memoryOfWalled(w walled) (float64, error) {
	const clients = 20
	s, err := b.supervisor(append([]string{"--clients", fmt.Sprint(clients), "--linger", "0s"}, w.args...)...)
	if err != nil {
		return 0, err
	}
	defer s.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range clients {
		c, err := rawclient.Dial(ctx, s.Addr, w.opts...)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		if _, err := c.Greet(rawclient.Hello(fmt.Sprintf("bench-%d", i))); err != nil {
			return 0, fmt.Errorf("%w; the supervisor's log:\n%s", err, s.Log())
		}
		if err := errors.Join(c.SendBatch(1, 16), c.AwaitAck(16)); err != nil {
			return 0, err
		}
	}
	each, err := handlersMemory(s)
	if err != nil {
		return 0, err
	}
	return each.median(), nil
}
