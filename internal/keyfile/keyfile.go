// Package keyfile reads and writes files of keys as ZeroMQ's other programs do, in ZPL: a
// section curve with a public key and, in the file of who has it, the secret one.
package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"gorewind/server"
)

// Generate makes a key pair: the file NAME.key_secret, for who is to have the key, and
// NAME.key, which everybody may see. It returns the public key. Files that are there
// already stay as they are, and are an error.
func Generate(name string) (public string, err error) {
	secretFile, publicFile := name+".key_secret", name+".key"
	if _, err := os.Lstat(publicFile); err == nil {
		return "", fmt.Errorf("%s is there already; choose another name, or remove it if nobody uses it", publicFile)
	}
	pair, err := server.NewCurve()
	if err != nil {
		return "", err
	}
	if err := create(secretFile, 0o600, Text(pair.Public, pair.Secret)); err != nil {
		return "", err
	}
	if err := create(publicFile, 0o644, Text(pair.Public, "")); err != nil {
		return "", errors.Join(err, os.Remove(secretFile))
	}
	return pair.Public, nil
}

// create writes a file that is not there yet.
func create(name string, mode fs.FileMode, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; choose another name, or remove it if nobody uses it", name)
	}
	if err != nil {
		return fmt.Errorf("cannot write a key: %w; choose another place", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("cannot write a key: %w; choose another place", err), os.Remove(name))
	}
	return nil
}

// Text returns the text of a key file, without a secret if that is empty.
func Text(public, secret string) string {
	about := "# CURVE public key of ZeroMQ. Everybody may see it.\n"
	secretLine := ""
	if secret != "" {
		about = "# CURVE key pair of ZeroMQ. DO NOT GIVE THE SECRET KEY TO ANYBODY.\n"
		secretLine = fmt.Sprintf("    secret-key = \"%s\"\n", secret)
	}
	return about + fmt.Sprintf("curve\n    public-key = \"%s\"\n", public) + secretLine
}

// ReadPair reads a file that has a key pair. Nobody else may be able to read it.
func ReadPair(name string) (server.Curve, error) {
	found, err := readCertificate(name)
	if err != nil {
		return server.Curve{}, err
	}
	if found["secret-key"] == "" {
		return server.Curve{}, fmt.Errorf("%s has no secret key; give the file NAME.key_secret that gorewind keygen NAME writes", name)
	}
	pair, err := server.CurveOf(found["secret-key"])
	if err != nil {
		return pair, fmt.Errorf("%s: %w; make another key with gorewind keygen", name, err)
	}
	if public := found["public-key"]; public != "" && public != pair.Public {
		return pair, fmt.Errorf("%s: the public key is not that of the secret one; make another with gorewind keygen", name)
	}
	return pair, nil
}

// ReadPublic returns a public key that is given as it is, or by the name of a file.
func ReadPublic(keyOrFile string) (string, error) {
	if server.IsKey(keyOrFile) {
		return keyOrFile, nil
	}
	found, err := readCertificate(keyOrFile)
	if err != nil {
		return "", err
	}
	if found["secret-key"] != "" {
		return "", fmt.Errorf("%s holds the secret key, which its owner gives to nobody; give the file NAME.key, or the public key itself", keyOrFile)
	}
	if !server.IsKey(found["public-key"]) {
		return "", fmt.Errorf("%s has no public key; give a file NAME.key, or the key itself", keyOrFile)
	}
	return found["public-key"], nil
}

// readCertificate returns the keys of a file by their names.
func readCertificate(name string) (map[string]string, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("cannot read a key: %w; make the file that of the user whom this runs as, with chown", err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read a key: %w; give a file that gorewind keygen wrote", err)
	}
	found := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		if ok && !strings.HasPrefix(line, "#") {
			found[strings.TrimSpace(key)] = strings.Trim(value, " \t\"'")
		}
	}
	if found["secret-key"] == "" {
		return found, nil
	}
	fi, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read a key: %w", err)
	}
	if mode := fi.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s holds a secret key, and its mode %04o lets others at it; chmod 600 %s, and make a new key if they may have read it", name, mode, name)
	}
	return found, nil
}
