package identity

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"bulkhead/internal/config"
)

// lookEvery is how often the files are looked at.
const lookEvery = 2 * time.Second

// soon is how long before its end a certificate is warned of.
const soon = 14 * 24 * time.Hour

// Keeper has the newest credentials.
type Keeper struct {
	cfg  config.Supervisor
	log  *slog.Logger
	now  atomic.Pointer[Credentials]
	seen string // what the files were when they were read; Run's
	told string // what was said last of the certificate's end; Run's
}

// NewKeeper reads the credentials that the settings name.
func NewKeeper(cfg config.Supervisor, log *slog.Logger) (*Keeper, error) {
	k := &Keeper{cfg: cfg, log: log}
	k.seen = k.look()
	c, err := Load(cfg)
	if err != nil {
		return nil, err
	}
	k.now.Store(c)
	k.warn(c)
	return k, nil
}

// Now returns the credentials as they are now.
func (k *Keeper) Now() *Credentials { return k.now.Load() }

// HTTPS returns how browsers are spoken to, with the certificate that is in force. It asks them for
// certificates where clients are asked.
func (k *Keeper) HTTPS() *tls.Config {
	forNow := func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := k.Now()
		out := &tls.Config{MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
			NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{now.pair.TLS()}}
		if now.AsksCertificate() {
			out.ClientAuth = tls.RequestClientCert
		}
		return out, nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: forNow}
}

// Run reads the files again when they change, until ctx is done. What cannot be read changes
// nothing.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for k.refresh(); ; k.refresh() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// refresh reads the files if they have changed.
func (k *Keeper) refresh() {
	is := k.look()
	if is == k.seen {
		k.warn(k.Now())
		return
	}
	k.seen = is
	c, err := Load(k.cfg)
	if err != nil {
		k.log.Error("certificates and tokens were changed and cannot be used; those of before stay", "error", err)
		return
	}
	k.now.Store(c)
	k.log.Info("certificates and tokens were read again")
	k.told = ""
	k.warn(c)
}

// look returns what tells the files from others of before.
func (k *Keeper) look() string {
	is := ""
	for _, path := range []string{k.cfg.TLS.Cert, k.cfg.TLS.Key, k.cfg.TLS.ClientCA, k.cfg.TLS.Pinned, k.cfg.Tokens,
		k.cfg.TokenFile, k.cfg.HTTP.TokenFile} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			is += fmt.Sprintf("%v\n", err)
			continue
		}
		is += fmt.Sprintf("%d %d %d\n", info.ModTime().UnixNano(), info.Size(), info.Sys().(*syscall.Stat_t).Ino)
	}
	return is
}

// warn warns of a certificate that ends, or has ended: once of each.
func (k *Keeper) warn(c *Credentials) {
	if c.pair == nil {
		return
	}
	until := c.pair.Leaf.NotAfter
	level, text := slog.LevelInfo, ""
	switch left := time.Until(until); {
	case left <= 0:
		level, text = slog.LevelError, "the supervisor's certificate has expired; clients will not connect"
	case left < soon:
		level, text = slog.LevelWarn, "the supervisor's certificate expires soon"
	}
	if text != "" && text != k.told {
		k.log.Log(context.Background(), level, text, "expires", until.UTC())
	}
	k.told = text
}
