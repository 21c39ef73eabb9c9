package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// TLSConfig is the `server.tls` section: TLS on the data listener, and with it
// HTTP/2. Renewed files are noticed within about a second, without a restart;
// what cannot be loaded is logged, and the last good pair stays.
type TLSConfig struct {
	// Cert is the file with the certificate and what leads from it to its
	// authority, in PEM. "" means plain HTTP. Default "".
	Cert string
	// Key is the file with the certificate's private key, in PEM. It belongs
	// to Cert. Default "".
	Key string
	// MinVersion is the oldest TLS that clients may speak: 1.2 or 1.3.
	// Default 1.2.
	MinVersion string
}

// AdminTLSConfig is the `server.admin_tls` section: TLS on the admin listener.
// Its files are followed as those of [TLSConfig] are.
type AdminTLSConfig struct {
	// Cert and Key are as in [TLSConfig]. "" means plain HTTP. Default "".
	Cert, Key string
	// ClientCA is a file with the authorities of the clients' certificates, in
	// PEM. When set, nobody connects without a certificate of theirs, the
	// listener need not be on a loopback address, and without AdminTokens the
	// subject of the certificate, which may do everything, is the name in the
	// audit trail. Default "".
	ClientCA string
	// MinVersion is as in [TLSConfig]. Default 1.2.
	MinVersion string
}

func (c TLSConfig) validate(field string) error {
	return errors.Join(checkPair(field, c.Cert, c.Key), checkVersion(field, c.MinVersion))
}

func (c AdminTLSConfig) validate(field string) error {
	err := errors.Join(checkPair(field, c.Cert, c.Key), checkVersion(field, c.MinVersion))
	if c.ClientCA != "" && c.Cert == "" {
		err = errors.Join(err, fmt.Errorf("%s.client_ca: clients show certificates over TLS only; set %s.cert and %s.key too", field, field, field))
	}
	return err
}

func (c TLSConfig) files() tlsFiles { return tlsFiles{section: "server.tls", cert: c.Cert, key: c.Key} }

func (c AdminTLSConfig) files() tlsFiles {
	return tlsFiles{section: "server.admin_tls", cert: c.Cert, key: c.Key, clientCA: c.ClientCA}
}

// CheckFiles reads the files of both listeners' TLS as New does, and names
// each that cannot be used.
func (c Config) CheckFiles() error {
	_, dataErr := follow(c.TLS.files(), c.TLS.MinVersion, nil)
	if c.AdminListen == "" {
		return dataErr
	}
	_, adminErr := follow(c.AdminTLS.files(), c.AdminTLS.MinVersion, nil)
	return errors.Join(dataErr, adminErr)
}

func checkPair(field, cert, key string) error {
	switch {
	case cert == "" && key != "":
		return fmt.Errorf("%s.cert: is empty while %s.key is set; name the file with the key's certificate", field, field)
	case cert != "" && key == "":
		return fmt.Errorf("%s.key: is empty while %s.cert is set; name the file with the certificate's private key", field, field)
	default:
		return nil
	}
}

func checkVersion(field, text string) error {
	if versionOf(text) == 0 {
		return fmt.Errorf("%s.min_version: %q is neither 1.2 nor 1.3", field, text)
	}
	return nil
}

// versionOf returns 0 for what is none.
func versionOf(text string) uint16 {
	switch text {
	case "1.2":
		return tls.VersionTLS12
	case "1.3":
		return tls.VersionTLS13
	default:
		return 0
	}
}

func (c Config) checkHSTS() error {
	switch {
	case c.HSTS == 0:
		return nil
	case c.HSTS < time.Second:
		return fmt.Errorf("server.hsts: %v is no time to remember anything; write 0s for no such header, or a duration such as 8760h", c.HSTS)
	case c.TLS.Cert == "":
		return errors.New("server.hsts: means nothing to browsers without TLS; set server.tls.cert and server.tls.key, or have the proxy in front send the header")
	default:
		return nil
	}
}
