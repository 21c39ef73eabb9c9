package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Where the files of an admin listener with TLS come from, without their flags.
const (
	envCA   = "POOLKEEPER_CA"
	envCert = "POOLKEEPER_CERT"
	envKey  = "POOLKEEPER_KEY"
)

// clientTLS is how the admin API is told from others over TLS, and how it is
// told who asks: the names of files, all of them optional.
type clientTLS struct{ ca, cert, key string }

func (i *clientTLS) flags(flags *pflag.FlagSet) {
	flags.StringVar(&i.ca, "ca", "", "`file` of the authorities that the admin API's certificate may be of (default "+envCA+", or the system's)")
	flags.StringVar(&i.cert, "cert", "", "`file` of the certificate to show to the admin API (default "+envCert+", if set)")
	flags.StringVar(&i.key, "key", "", "`file` of that certificate's private key (default "+envKey+", if set)")
}

// given reports whether the command line names one of the files.
func (i *clientTLS) given() bool { return *i != clientTLS{} }

// A tlsFile is the name of a file, and what names it: a flag or a variable.
type tlsFile struct{ from, path string }

func (a *App) tlsFile(flag, path, variable string) tlsFile {
	if path != "" {
		return tlsFile{flag, path}
	}
	return tlsFile{variable, a.getenv(variable)}
}

func (f tlsFile) String() string { return f.from + " " + f.path }

func (f tlsFile) read() ([]byte, error) {
	text, err := os.ReadFile(f.path)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", f.from, err)}
	}
	return text, nil
}

// secured is what TLS with the server is spoken with, nil for Go's own way.
func (c *console) secured(server string) (*tls.Config, error) {
	ca := c.app.tlsFile("--ca", c.tls.ca, envCA)
	cert := c.app.tlsFile("--cert", c.tls.cert, envCert)
	key := c.app.tlsFile("--key", c.tls.key, envKey)
	switch {
	case !strings.HasPrefix(strings.ToLower(server), "https:"):
		if c.tls.given() {
			return nil, usageError{fmt.Errorf("--ca, --cert and --key are for TLS, but --server is %q; an https:// URL has it", server)}
		}
		return nil, nil //nolint:nilnil // plain HTTP needs none of it
	case cert.path != "" && key.path == "":
		return nil, usageError{fmt.Errorf("%s is a certificate without its private key; --key names it, or %s", cert, envKey)}
	case cert.path == "" && key.path != "":
		return nil, usageError{fmt.Errorf("%s is a private key without its certificate; --cert names it, or %s", key, envCert)}
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	var caErr, pairErr error
	if ca.path != "" {
		cfg.RootCAs, caErr = authorities(ca)
	}
	if cert.path != "" {
		cfg.Certificates, pairErr = certificate(cert, key)
	}
	return cfg, errors.Join(caErr, pairErr)
}

func authorities(ca tlsFile) (*x509.CertPool, error) {
	text, err := ca.read()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, usageError{fmt.Errorf("%s has no certificate in PEM", ca)}
	}
	return pool, nil
}

// certificate is what is shown to the server. One that has expired is not: the
// server's refusal would not say so to whoever reads it here.
func certificate(cert, key tlsFile) ([]tls.Certificate, error) {
	certText, certErr := cert.read()
	keyText, keyErr := key.read()
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s and %s are no certificate with its key: %w", cert, key, err)}
	}
	if pair.Leaf != nil && time.Now().After(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("%s expired on %s", cert, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return []tls.Certificate{pair}, nil
}

// advice is what to do about a server that did not answer.
func advice(server string, err error) string {
	_, foreign := errors.AsType[x509.UnknownAuthorityError](err)
	switch {
	case foreign:
		return "--ca names the file of the authority of its certificate, or " + envCA
	case strings.HasPrefix(strings.ToLower(server), "https:") && hungUp(err):
		return "Does it ask for certificates? --cert and --key name the files of one, or " + envCert + " and " + envKey
	case errors.Is(err, http.ErrSchemeMismatch):
		return "It has no TLS: --server names it with http://"
	default:
		return `Is "poolkeeper serve" running there? --server names another address, --direct needs none`
	}
}

// hungUp reports whether the server was there and ended the connection. One that
// misses a certificate does so after the client's half of the handshake, and
// whether its reason still comes through is a matter of luck.
func hungUp(err error) bool {
	op, isOp := errors.AsType[*net.OpError](err)
	limit, isNet := errors.AsType[net.Error](err)
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	never := isOp && op.Op == "dial" || isNet && limit.Timeout() || unverified || errors.Is(err, http.ErrSchemeMismatch)
	return !never
}
