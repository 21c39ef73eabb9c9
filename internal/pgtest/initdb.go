package pgtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// superuser is the name of the superuser that initdb makes.
const superuser = "postgres"

// makeData makes the data folder data with a new password for the superuser,
// written to the file passwordFile before the folder appears: a folder that
// exists is complete.
func makeData(ctx context.Context, bin Binaries, acct account, data, passwordFile string, throwaway bool) error {
	password := rand.Text()
	if err := os.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
		return permission(err, passwordFile)
	}
	unfinished := data + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return permission(err, unfinished)
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return permission(err, unfinished)
	}
	if err := acct.own(unfinished); err != nil {
		return err
	}
	if err := initdb(ctx, bin, acct, unfinished, password, throwaway); err != nil {
		return errors.Join(err, os.RemoveAll(unfinished))
	}
	return os.Rename(unfinished, data)
}

// initdb runs initdb. The password goes through a file that the account can
// read and that is gone afterwards.
func initdb(ctx context.Context, bin Binaries, acct account, data, password string, throwaway bool) error {
	pwfile := data + ".pw"
	if err := os.WriteFile(pwfile, []byte(password+"\n"), 0o600); err != nil {
		return permission(err, pwfile)
	}
	defer func() { _ = os.Remove(pwfile) }()
	if err := acct.own(pwfile); err != nil {
		return err
	}
	args := append(initdbArgs(bin, throwaway), "--pgdata="+data, "--pwfile="+pwfile)
	program := filepath.Join(bin.Dir, "initdb")
	out, err := acct.run(ctx, 2*time.Minute, program, args...)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("pgtest: making the data folder %s: %w", data, ctx.Err())
	}
	return diagnose(out, fmt.Sprintf("%s on %s failed", program, data))
}

func initdbArgs(bin Binaries, throwaway bool) []string {
	args := []string{"--username=" + superuser, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"}
	if !throwaway {
		return args
	}
	args = append(args, "--no-sync", "--wal-segsize=4")
	if bin.Major >= 18 {
		args = append(args, "--no-data-checksums")
	}
	return args
}

// fromTemplate makes a data folder for a server that is thrown away, by
// copying one that initdb made earlier for the same programs.
func fromTemplate(ctx context.Context, bin Binaries, acct account, data, passwordFile string) error {
	template, err := templateFolder(bin, acct)
	if err != nil {
		// No place for a template: a slower start is better than none.
		return makeData(ctx, bin, acct, data, passwordFile, true)
	}
	if copyTemplate(template, data, passwordFile, acct) == nil {
		return nil
	}
	lock, err := lockFile(template+".lock", true)
	if err != nil {
		return permission(err, template)
	}
	defer func() { _ = unlock(lock) }()
	if copyTemplate(template, data, passwordFile, acct) == nil {
		return nil // another test binary made it while we waited
	}
	if err := makeData(ctx, bin, acct, data, passwordFile, true); err != nil {
		return err
	}
	_ = saveTemplate(template, data, passwordFile) // the next start makes it again
	return nil
}

// copyTemplate copies the template, and leaves nothing when it cannot.
func copyTemplate(template, data, passwordFile string, acct account) error {
	if _, err := os.Stat(template); err != nil {
		return err
	}
	err := copyTree(filepath.Join(template, "data"), data, &acct)
	if err == nil {
		err = copyFile(filepath.Join(template, "password"), passwordFile, 0o600)
	}
	if err != nil {
		_ = os.RemoveAll(data)
		_ = os.Remove(passwordFile)
	}
	return err
}

// saveTemplate keeps a copy of a fresh data folder. It appears under its name
// at once and whole, or not at all.
func saveTemplate(template, data, passwordFile string) error {
	unfinished := template + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	err := os.Mkdir(unfinished, 0o700)
	if err == nil {
		err = copyTree(data, filepath.Join(unfinished, "data"), nil)
	}
	if err == nil {
		err = copyFile(passwordFile, filepath.Join(unfinished, "password"), 0o600)
	}
	if err == nil {
		_ = os.RemoveAll(template) // one that could not be copied
		err = os.Rename(unfinished, template)
	}
	if err != nil {
		_ = os.RemoveAll(unfinished)
	}
	return err
}

// templateFolder returns where the template of these programs belongs.
func templateFolder(bin Binaries, acct account) (string, error) {
	root, err := os.UserCacheDir()
	if err == nil {
		root = filepath.Join(root, "poolkeeper", "pgtest")
		err = os.MkdirAll(root, 0o700)
	}
	if err != nil {
		root = filepath.Join(os.TempDir(), "poolkeeper-pgtest-cache-"+strconv.Itoa(os.Geteuid()))
		if err := makeOwnFolder(root, 0o700); err != nil {
			return "", err
		}
	}
	info, err := os.Stat(filepath.Join(bin.Dir, "postgres"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Append(nil, bin.Dir, bin.Version, info.Size(), info.ModTime(), acct.uid, initdbArgs(bin, true)))
	return filepath.Join(root, "initdb-"+strconv.Itoa(bin.Major)+"-"+hex.EncodeToString(sum[:8])), nil
}

// permission turns the refusal to write path into a sentence.
func permission(err error, path string) error {
	if errors.Is(err, fs.ErrPermission) {
		return fail(ErrPermission, path+" cannot be written: permission denied")
	}
	return fmt.Errorf("pgtest: %w", err)
}

// readPassword reads the superuser's password from beside the data.
func readPassword(path string) (string, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a path of ours
	if errors.Is(err, fs.ErrNotExist) {
		return "", fail(ErrFolder, path+" with the superuser's password is missing, so the data beside it cannot be used; remove both")
	}
	if err != nil {
		return "", fail(ErrPermission, path+" cannot be read: permission denied")
	}
	return strings.TrimSpace(string(text)), nil
}
