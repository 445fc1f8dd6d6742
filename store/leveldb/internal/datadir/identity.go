package datadir

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gorewind/store"
	"gorewind/store/leveldb/internal/record"
)

// A store's identity is the content of db/FORMAT. The high-water file holds a copy,
// because nothing else in a store could reproduce it.

// NewID returns the id of a new store.
func NewID() string {
	var id [16]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// NewIdentity returns the identity of a new store.
func NewIdentity() store.Identity {
	var secret [32]byte
	rand.Read(secret[:]) // never fails, see its documentation
	return store.Identity{ID: NewID(), Generation: 1, Secret: hex.EncodeToString(secret[:])}
}

// identityText returns the content of FORMAT.
func identityText(id store.Identity) string {
	text := fmt.Sprintf("gorewind store\nformat %d\nid %s\ngeneration %d\nsecret %s\n", record.Version, id.ID, id.Generation, id.Secret)
	return text + checksumLine(text)
}

// CheckIdentity returns an ErrInvalid unless id is a well-formed identity.
func CheckIdentity(id store.Identity) error {
	if parsed, err := parseIdentity(identityText(id), "given"); err != nil || parsed != id {
		return fmt.Errorf("%w: malformed store identity", store.ErrInvalid)
	}
	return nil
}

// DamagedIdentity reports that only the copy of the identity is intact.
const DamagedIdentity = "the file " + DBName + "/" + FormatName + " is missing or damaged; its copy in " + HighwaterName + " is intact"

const checksumWord = "checksum "

func checksumLine(text string) string {
	return fmt.Sprintf("%s%08x\n", checksumWord, record.CRC32C([]byte(text)))
}

// hasChecksum reports whether a text, of any version, ends with its valid checksum.
func hasChecksum(text string) bool {
	end := strings.LastIndex(text, checksumWord)
	return end >= 0 && checksumLine(text[:end]) == text[end:]
}

// ReadIdentity returns the identity of the store in a directory, and whether only
// its copy is intact. The error is an ErrDamaged if neither is intact, and an
// ErrFormat if another version wrote it.
func ReadIdentity(on Dir) (id store.Identity, copied bool, err error) {
	path := filepath.Join(on.Database(), FormatName)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = fmt.Errorf("%w: the file %s is missing", store.ErrDamaged, path)
	case err == nil:
		id, err = parseIdentity(string(text), path)
	}
	if err == nil || hasChecksum(string(text)) || !errors.Is(err, store.ErrDamaged) && !errors.Is(err, ErrFormat) {
		return id, false, err // it is good, of another version, or cannot be read now
	}
	if text, ok := on.identityCopy(); ok {
		if id, err := parseIdentity(text, HighwaterName); err == nil {
			return id, true, nil
		}
	}
	return id, false, err
}

// parseIdentity reads the text of a file.
func parseIdentity(text, path string) (id store.Identity, err error) {
	damaged := fmt.Errorf("%w: the file %s", store.ErrDamaged, path)
	rest, ours := strings.CutPrefix(text, "gorewind store\n")
	var version int
	_, unread := fmt.Sscanf(rest, "format %d\n", &version)
	switch sum := strings.Contains(text, checksumWord); {
	case !ours && !sum:
		return id, fmt.Errorf("%w: %s does not say which", ErrFormat, path)
	case unread != nil || !hasChecksum(text) && (sum || version == record.Version):
		return id, damaged
	case version != record.Version:
		return id, fmt.Errorf("%w: %s says %d, this version reads %d", ErrFormat, path, version, record.Version)
	}
	_, err = fmt.Sscanf(rest, "format %d\nid %s\ngeneration %d\nsecret %s\n", &version, &id.ID, &id.Generation, &id.Secret)
	if err != nil || identityText(id) != text {
		return id, damaged
	}
	return id, nil
}

// The copy follows the slots of the high-water file, and has room to grow.
const (
	copyAt   = 2 * highwaterStride
	copySize = 1 << 10
)

// identityCopy returns the copy, if there is one.
func (d Dir) identityCopy() (text string, ok bool) {
	f, err := os.Open(filepath.Join(string(d), HighwaterName))
	if err != nil {
		return "", false
	}
	defer f.Close()
	b := make([]byte, copySize)
	n, _ := f.ReadAt(b, copyAt)
	b = bytes.TrimRight(b[:n], "\x00")
	return string(b), len(b) > 0
}

// KeepIdentity writes the copy if it is missing, and FORMAT if that was damaged.
func (d Dir) KeepIdentity(id store.Identity, copied bool) error {
	if copied {
		path := filepath.Join(d.Database(), FormatName)
		if err := writeSynced(path+".new", identityText(id)); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
		return syncDir(d.Database())
	}
	if text, ok := d.identityCopy(); ok && text == identityText(id) {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(string(d), HighwaterName), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	b := make([]byte, copySize)
	copy(b, identityText(id))
	_, err = f.WriteAt(b, copyAt)
	return errors.Join(err, f.Sync(), f.Close())
}
