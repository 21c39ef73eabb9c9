package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
)

// certLook is how long files are taken to be as they were: renewed ones are
// noticed at the first handshake after it.
const certLook = time.Second

// tlsFiles are the files of one listener; section is where they are
// configured.
type tlsFiles struct{ section, cert, key, clientCA string }

// contents are what the files held.
type contents struct{ cert, key, clientCA []byte }

func (c contents) equal(d contents) bool {
	return bytes.Equal(c.cert, d.cert) && bytes.Equal(c.key, d.key) && bytes.Equal(c.clientCA, d.clientCA)
}

func (f tlsFiles) read() (contents, error) {
	var c contents
	for _, one := range []struct {
		field, path string
		into        *[]byte
	}{{"cert", f.cert, &c.cert}, {"key", f.key, &c.key}, {"client_ca", f.clientCA, &c.clientCA}} {
		if one.path == "" {
			continue
		}
		text, err := os.ReadFile(one.path)
		if err != nil {
			return contents{}, fmt.Errorf("%s.%s: %w", f.section, one.field, err)
		}
		*one.into = text
	}
	return c, nil
}

// load makes a configuration of what the files hold. Errors name the file,
// and never show what is in it.
func (f tlsFiles) load(c contents, minVersion uint16) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, fmt.Errorf("%s.cert: %s and %s are no certificate with its key: %w", f.section, f.cert, f.key, err)
	}
	cfg := &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: minVersion,
		NextProtos: []string{"h2", "http/1.1"},
	}
	if f.clientCA == "" {
		return cfg, nil
	}
	// A session that is resumed would outlive the authority that it was begun with.
	cfg.SessionTicketsDisabled = true
	cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !cfg.ClientCAs.AppendCertsFromPEM(c.clientCA) {
		return nil, fmt.Errorf("%s.client_ca: %s has no certificate in PEM", f.section, f.clientCA)
	}
	return cfg, nil
}

// A follower keeps a listener's configuration in step with its files. It
// compares what they hold and not their times, so that no way of replacing
// them is missed: renamed, written in place, or behind a symbolic link that
// leads elsewhere.
type follower struct {
	files      tlsFiles
	minVersion uint16
	log        *slog.Logger

	// mu guards what follows. Files are read without it.
	mu      sync.Mutex
	current *tls.Config
	held    contents // what the files held at the last look
	trouble string   // why what they held then cannot be used; "" when it is
	looked  time.Time
	looking bool
}

// follow returns the configuration of a listener, nil without files.
func follow(files tlsFiles, minVersion string, log *slog.Logger) (*tls.Config, error) {
	if files.cert == "" {
		return nil, nil //nolint:nilnil // plain HTTP is no error
	}
	f := &follower{files: files, minVersion: versionOf(minVersion), log: log, looked: time.Now()}
	held, err := files.read()
	if err != nil {
		return nil, err
	}
	if f.current, err = files.load(held, f.minVersion); err != nil {
		return nil, err
	}
	f.held = held
	return &tls.Config{
		MinVersion: f.minVersion,
		NextProtos: f.current.NextProtos, SessionTicketsDisabled: f.current.SessionTicketsDisabled,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.config(), nil },
	}, nil
}

// config returns what a handshake of now is to be made with. The one that
// finds a look to be due waits for the files; the others do not.
func (f *follower) config() *tls.Config {
	f.mu.Lock()
	cfg, held, due := f.current, f.held, !f.looking && time.Since(f.looked) >= certLook
	f.looking = f.looking || due
	f.mu.Unlock()
	if !due {
		return cfg
	}
	next, now, err := f.look(held)
	return f.saw(next, now, err)
}

// look returns nil when the files hold what they held.
func (f *follower) look(held contents) (*tls.Config, contents, error) {
	now, err := f.files.read()
	if err != nil || now.equal(held) {
		return nil, held, err
	}
	cfg, err := f.files.load(now, f.minVersion)
	return cfg, now, err
}

// saw takes over what a look found, and says so once.
func (f *follower) saw(next *tls.Config, now contents, err error) *tls.Config {
	f.mu.Lock()
	changed := !now.equal(f.held)
	f.held, f.looked, f.looking = now, time.Now(), false
	if next != nil {
		f.current, f.trouble = next, ""
	}
	news := err != nil && (changed || f.trouble != err.Error())
	if err != nil {
		f.trouble = err.Error()
	}
	cfg := f.current
	f.mu.Unlock()
	switch {
	case next != nil:
		f.log.Info("a renewed certificate is in use", "setting", f.files.section, "file", f.files.cert, "not_after", expiry(next))
	case news:
		f.log.Error("a certificate cannot be renewed; the last good one stays in use", "setting", f.files.section, "error", err)
	}
	return cfg
}

func expiry(cfg *tls.Config) time.Time {
	if leaf := cfg.Certificates[0].Leaf; leaf != nil {
		return leaf.NotAfter
	}
	return time.Time{}
}

// secured makes the TLS of both listeners.
func (s *Server) secured() error {
	var dataErr, adminErr error
	s.dataTLS, dataErr = follow(s.cfg.TLS.files(), s.cfg.TLS.MinVersion, s.log)
	if s.cfg.AdminListen != "" {
		s.adminTLS, adminErr = follow(s.cfg.AdminTLS.files(), s.cfg.AdminTLS.MinVersion, s.log)
	}
	return errors.Join(dataErr, adminErr)
}

// certified returns who the client's certificate says it is, "" without one
// that server.admin_tls.client_ca vouches for. A page in the browser of
// somebody who has one is not them.
func (s *Server) certified(r *http.Request) string {
	if s.cfg.AdminTLS.ClientCA == "" || r.TLS == nil || len(r.TLS.VerifiedChains) == 0 ||
		http.NewCrossOriginProtection().Check(r) != nil {
		return ""
	}
	return subjectOf(r.TLS.VerifiedChains[0][0])
}

// subjectOf is a certificate's common name, else the whole of its subject,
// else its serial number.
func subjectOf(cert *x509.Certificate) string {
	name := cert.Subject.CommonName
	if name == "" {
		name = cert.Subject.String()
	}
	if name == "" {
		name = "certificate " + cert.SerialNumber.String()
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name)
	return clip(name, maxSubject)
}

// maxSubject is how much of a name an audit trail needs.
const maxSubject = 128
