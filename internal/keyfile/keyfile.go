// Package keyfile reads and writes files of CURVE keys in ZPL, the format of other ZeroMQ
// programs: a section curve with a public key and, in the owner's file, the secret key.
package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"gorewind/internal/newfile"
	"gorewind/server"
)

// Generate writes a key pair: NAME.key_secret, for the owner of the key only, and NAME.key, the
// public key. It returns the public key. It never overwrites a file.
func Generate(name string) (public string, err error) {
	secretFile, publicFile := name+".key_secret", name+".key"
	if _, err := os.Lstat(publicFile); err == nil {
		return "", fmt.Errorf("%s already exists; choose another name, or remove it if it is not in use", publicFile)
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

// create writes a new file.
func create(name string, mode fs.FileMode, text string) error {
	err := newfile.Write(name, []byte(text), mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s already exists; choose another name, or remove it if it is not in use", name)
	}
	if err != nil {
		return fmt.Errorf("cannot write a key: %w; choose another directory", err)
	}
	return nil
}

// Text returns the content of a key file; without a secret key if secret is empty.
func Text(public, secret string) string {
	about := "# ZeroMQ CURVE public key. It may be shared.\n"
	secretLine := ""
	if secret != "" {
		about = "# ZeroMQ CURVE key pair. KEEP THE SECRET KEY SECRET.\n"
		secretLine = fmt.Sprintf("    secret-key = \"%s\"\n", secret)
	}
	return about + fmt.Sprintf("curve\n    public-key = \"%s\"\n", public) + secretLine
}

// ReadPair reads a file with a key pair. It refuses a file that other users can read.
func ReadPair(name string) (server.Curve, error) {
	found, err := readCertificate(name)
	if err != nil {
		return server.Curve{}, err
	}
	if found["secret-key"] == "" {
		return server.Curve{}, fmt.Errorf("%s has no secret key; give the file NAME.key_secret from gorewind keygen NAME", name)
	}
	pair, err := server.CurveOf(found["secret-key"])
	if err != nil {
		return pair, fmt.Errorf("%s: %w; generate another key with gorewind keygen", name, err)
	}
	if public := found["public-key"]; public != "" && public != pair.Public {
		return pair, fmt.Errorf("%s: the public key does not match the secret key; generate another pair with gorewind keygen", name)
	}
	return pair, nil
}

// ReadPublic returns a public key, given directly or as the name of its file.
func ReadPublic(keyOrFile string) (string, error) {
	if server.IsKey(keyOrFile) {
		return keyOrFile, nil
	}
	found, err := readCertificate(keyOrFile)
	if err != nil {
		return "", err
	}
	if found["secret-key"] != "" {
		return "", fmt.Errorf("%s holds a secret key, which must stay with its owner; give the file NAME.key, or the public key itself", keyOrFile)
	}
	if !server.IsKey(found["public-key"]) {
		return "", fmt.Errorf("%s has no public key; give a file NAME.key, or the key itself", keyOrFile)
	}
	return found["public-key"], nil
}

// readCertificate returns the keys in a file by name.
func readCertificate(name string) (map[string]string, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("cannot read a key: %w; chown the file to the user that runs gorewind", err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read a key: %w; give a file from gorewind keygen", err)
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
		return nil, fmt.Errorf("%s holds a secret key, and its mode %04o lets others read it; run chmod 600 %s, and generate a new key if others may have read it", name, mode, name)
	}
	return found, nil
}
