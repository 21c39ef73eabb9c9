package world

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// rules of who may come in how: the tenants' logins freely when plain, with
// their passwords over TLS; the superuser always with the password.
const rules = `hostnossl bench +visitors,gateway 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256`

// makeServer makes the database, the logins and the ways in.
func (w *World) makeServer(ctx context.Context) error {
	if err := admin(ctx, w.Server.AdminDSN(""), "CREATE DATABASE "+database); err != nil {
		return err
	}
	err := admin(
		ctx, w.Server.AdminDSN(database),
		"CREATE ROLE visitors NOLOGIN",
		createLogin(App, "IN ROLE visitors"),
		createLogin(Limited, fmt.Sprintf("CONNECTION LIMIT %d IN ROLE visitors, %s", Budget, App)),
		"CREATE TABLE public.items (id int PRIMARY KEY, tenant text)",
		fmt.Sprintf("INSERT INTO public.items SELECT n, 'PUBLIC' FROM generate_series(1, %d) n", Rows),
		"GRANT SELECT ON public.items TO PUBLIC",
		sampling,
		serverFile("pg_hba.conf", rules),
		"SELECT pg_reload_conf()",
	)
	if err == nil && w.SetUser {
		err = admin(
			ctx, w.Server.AdminDSN(database),
			"CREATE EXTENSION set_user", createLogin(gateway, ""), // of no group: it may have nothing but this
			"GRANT EXECUTE ON FUNCTION set_session_auth(text) TO "+gateway,
		)
	}
	if err != nil {
		return err
	}
	w.NoTLS = w.turnOnTLS(ctx)
	return ctx.Err()
}

func createLogin(name, rest string) string {
	return fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s' %s", pgx.Identifier{name}.Sanitize(), password, rest)
}

// serverFile has the server itself write a file of its data folder, which
// belongs to another user when root measures.
func serverFile(name, text string) string {
	return fmt.Sprintf("COPY (SELECT unnest(string_to_array('%s', E'\\n'))) TO PROGRAM 'umask 077; cat > %s'", text, name)
}

// turnOnTLS gives the server a key and a certificate. Some builds have no
// TLS: then its figures are left out.
func (w *World) turnOnTLS(ctx context.Context) error {
	key, cert, err := certificate()
	if err != nil {
		return err
	}
	err = admin(
		ctx, w.Server.AdminDSN(database),
		serverFile("server.key", key), serverFile("server.crt", cert),
		"ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()", "SELECT pg_sleep(0.2)",
	)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, w.SecureDSN(App))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// certificate returns a key and a certificate that it signed itself, as PEM.
func certificate() (key, cert string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", "", err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	return encode("PRIVATE KEY", keyDER), encode("CERTIFICATE", der), nil
}

func encode(kind string, der []byte) string {
	var text bytes.Buffer
	_ = pem.Encode(&text, &pem.Block{Type: kind, Bytes: der}) // a Buffer takes everything
	return strings.TrimSpace(text.String())
}

// makeTenants makes the schemas, a hundred in one round trip.
func (w *World) makeTenants(ctx context.Context) error {
	conn, err := w.Admin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var sql strings.Builder
	all := append(append([]Tenant{}, w.Tenants...), w.Owners...)
	for i, t := range all {
		t.write(&sql)
		if i%100 == 99 || i == len(all)-1 {
			if _, err := conn.Exec(ctx, sql.String()); err != nil {
				return err
			}
			sql.Reset()
		}
	}
	_, err = conn.Exec(ctx, "CHECKPOINT")
	return err
}

// write adds the statements that make the tenant.
func (t Tenant) write(sql *strings.Builder) {
	owner := App
	if t.Login != "" {
		owner = t.Login
		fmt.Fprintf(sql, "%s;\n", createLogin(owner, "IN ROLE visitors"))
	}
	fmt.Fprintf(sql, `CREATE SCHEMA %[1]s AUTHORIZATION %[2]s;
		CREATE TABLE %[1]s.items (id int PRIMARY KEY, tenant text);
		INSERT INTO %[1]s.items SELECT n, '%[3]s' FROM generate_series(1, %[4]d) n;
		ALTER TABLE %[1]s.items OWNER TO %[2]s;
	`, pgx.Identifier{t.Schema}.Sanitize(), pgx.Identifier{owner}.Sanitize(), t.Name, Rows)
}
