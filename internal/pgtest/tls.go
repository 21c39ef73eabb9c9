package pgtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

func (s *Server) certFile() string { return filepath.Join(s.base, "server.crt") }

func (s *Server) keyFile() string { return filepath.Join(s.base, "server.key") }

// certify gives a server that is to speak TLS a certificate, unless its
// settings name one.
func (s *Server) certify() error {
	if s.settings["ssl"] != "on" || s.settings["ssl_cert_file"] != "" {
		return nil
	}
	cert, key, err := newCertificate(time.Now())
	if err != nil {
		return fmt.Errorf("pgtest: making a certificate: %w", err)
	}
	for path, text := range map[string][]byte{s.certFile(): cert, s.keyFile(): key} {
		// A key that others could read is refused by postgres.
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return permission(err, path)
		}
		if err := s.acct.own(path); err != nil {
			return err
		}
	}
	s.settings = maps.Clone(s.settings) // the caller's map is not ours to change
	s.settings["ssl_cert_file"], s.settings["ssl_key_file"] = s.certFile(), s.keyFile()
	return nil
}

// newCertificate makes a certificate for 127.0.0.1 that vouches for itself,
// and its key. It is valid for a week.
func newCertificate(now time.Time) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "pgtest"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(7 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}
