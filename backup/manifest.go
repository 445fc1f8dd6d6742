package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// A backup is a directory:
//
//	backup.json  the manifest, below
//	LOCK         locked while a process writes or reads the backup
//	FROM-END.N.jsonl.zst
//	             a segment: a compressed export of what was committed from one
//	             position to another; N rises when it is rewritten
//
// Each segment continues where the one before it ended; the first begins with the
// store. The manifest is written before all of them. A segment is written before
// the manifest names it, and removed after the manifest no longer names it. So a
// backup is whole at any moment, and a file that the manifest does not name was
// left by a crash.
//
// The manifest is a JSON object:
//
//	gorewind    "backup"
//	format      1
//	store       id of the store
//	generation  of the store
//	segments    file, after, end (positions), chain and sha256 (as in its trailer),
//	            octets (of the file), erased: what was erased up to this position is
//	            not in it
//	crc         CRC-32C of the object without it, as this version writes it
const manifestName = "backup.json"

const backupWord = "backup"

type manifest struct {
	Gorewind   string    `json:"gorewind"`
	Format     int       `json:"format"`
	Store      string    `json:"store"`
	Generation uint64    `json:"generation"`
	Segments   []segment `json:"segments"`
	CRC        string    `json:"crc"`
}

// A segment is a part of a backup.
type segment struct {
	File   string `json:"file"`
	After  uint64 `json:"after"`
	End    uint64 `json:"end"`
	Chain  chain  `json:"chain"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"octets"`
	Erased uint64 `json:"erased"`
}

// end returns the position where the backup ends, and the chain there.
func (m *manifest) end() (position uint64, at chain) {
	if n := len(m.Segments); n > 0 {
		return m.Segments[n-1].End, m.Segments[n-1].Chain
	}
	return 0, 0
}

// text returns the manifest as text.
func (m *manifest) text() []byte {
	sealed := *m
	sealed.CRC = ""
	b, err := json.Marshal(sealed)
	if err != nil {
		panic(err) // cannot happen: strings and numbers
	}
	sealed.CRC = fmt.Sprintf("%08x", crc32.Checksum(b, castagnoli))
	b, err = json.MarshalIndent(sealed, "", "  ")
	if err != nil {
		panic(err)
	}
	return append(b, '\n')
}

// readManifest returns the manifest of a backup; nil if the directory has none.
func readManifest(dir string) (*manifest, error) {
	path := filepath.Join(dir, manifestName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := new(manifest)
	damaged := fmt.Errorf("%s: %w: it was changed after it was written", path, ErrFile)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%w: %w", damaged, err)
	}
	switch {
	case m.Gorewind != backupWord:
		return nil, fmt.Errorf("%s: %w: it is not the manifest of a backup", path, ErrFile)
	case m.Format != formatVersion:
		return nil, fmt.Errorf("%s: %w: it has format %d, but this version reads %d", path, ErrFile, m.Format, formatVersion)
	case !bytes.Equal(b, m.text()):
		return nil, damaged
	}
	for i := range m.Segments {
		if name := m.Segments[i].File; !segmentName.MatchString(name) {
			return nil, fmt.Errorf("%s: %w: %q is not a valid segment name", path, ErrFile, name)
		}
	}
	return m, nil
}

// write replaces the manifest.
func (m *manifest) write(dir string) error {
	path := filepath.Join(dir, manifestName)
	f, err := os.OpenFile(path+temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(m.text())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return rename(path+temporary, path)
}

// temporary ends the names of files that are being written.
const temporary = ".tmp"
