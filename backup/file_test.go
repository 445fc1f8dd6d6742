package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gorewind/store"
)

// TestExportGoesOn: an export that was cut off anywhere resumes, and the result is
// the same as without an interruption.
func TestExportGoesOn(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	busy(t, s)
	plain, _ := exported(t, s, ExportOptions{})
	want := withoutReplaced(t, plain)
	for _, compress := range []bool{false, true} {
		path, _ := exported(t, s, ExportOptions{Compress: compress})
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		again := filepath.Join(t.TempDir(), "again")
		for n := 0; n <= len(whole); n += 1 + len(whole)/100 {
			if err := os.WriteFile(again+partSuffix, whole[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ExportFile(t.Context(), local{s}, again, ExportOptions{Compress: compress, Force: true}); err != nil {
				t.Fatalf("cut to %d of %d bytes: %v", n, len(whole), err)
			}
			if have := withoutReplaced(t, again); have != want {
				t.Fatalf("cut to %d of %d bytes: want %s\nhave %s", n, len(whole), want, have)
			}
		}
	}
}

// withoutReplaced returns the commits of an export as text, without the replaced
// events that a resumed export adds.
func withoutReplaced(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, commits, trailer, err := readAll(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range commits {
		c := &commits[i]
		c.Events = slices.DeleteFunc(c.Events, func(e store.Event) bool { return e.Position < c.First })
	}
	trailer.SHA256 = ""
	return fmt.Sprintf("%+v\n%+v", commits, trailer)
}

// TestExportGoesOnAfterChanges: what was replaced or deleted between the parts is
// so in the store made from the export.
func TestExportGoesOnAfterChanges(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	busy(t, s)
	path := filepath.Join(t.TempDir(), "export")
	for at := uint64(0); ; at += 7 {
		ctx, cancel := context.WithCancel(t.Context())
		began := at
		_, err := ExportFile(ctx, local{s}, path, ExportOptions{Progress: func(position, of uint64) {
			if position >= began+7 {
				cancel()
			}
		}})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if _, err := os.Stat(path + partSuffix); err != nil {
			t.Fatal(err)
		}
		if at > 30 {
			continue
		}
		replace(t, s, "many/0", 4, "replaced "+strings.Repeat("x", int(at)))
		remove(t, s, "many/1", at/7+1)
		request(s, keyed("many/1", "", "more"))
	}
	c, r := restored(t, path)
	want, have := told(t, s), told(t, c)
	same(t, "restored", want, have)
	if r.Deleted != 0 {
		t.Errorf("%d streams had to be deleted", r.Deleted)
	}
}

// TestExportRefuses to overwrite a file, and to resume another export.
func TestExportRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	busy(t, s)
	path, _ := exported(t, s, ExportOptions{})
	export := func(o ExportOptions) error {
		_, err := ExportFile(t.Context(), local{s}, path, o)
		return err
	}
	if err := export(ExportOptions{}); !errors.Is(err, ErrExists) {
		t.Errorf("over a file: %v", err)
	}
	if err := export(ExportOptions{Force: true}); err != nil {
		t.Errorf("with force: %v", err)
	}
	if err := export(ExportOptions{Force: true, After: 1 << 40}); err == nil {
		t.Error("want a position that was never given refused")
	}
	part, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	left := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(path+partSuffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left(part[:len(part)/2])
	prefix := "a"
	for what, o := range map[string]ExportOptions{
		"after a position": {After: 3}, "selected": {Selection: &Selection{Prefix: &prefix}}, "compressed": {Compress: true},
	} {
		o.Force = true
		if err := export(o); err == nil || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: %v", what, err)
		}
	}
	part[len(part)/4] ^= 1
	left(part)
	if err := export(ExportOptions{Force: true}); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a damaged beginning: %v", err)
	}
	if b, err := os.ReadFile(path + partSuffix); err != nil || !bytes.Equal(b, part) {
		t.Error("it was changed")
	}
	f, err := openPart(path+partSuffix, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := export(ExportOptions{Force: true}); !errors.Is(err, ErrInUse) {
		t.Errorf("beside another: %v", err)
	}
}

// TestExportOfAnOlderCopy: an export does not resume from a store that was put back
// to an older state and went on differently: no store could be made from it.
func TestExportOfAnOlderCopy(t *testing.T) {
	data, older := t.TempDir(), t.TempDir()
	s := open(t, data)
	request(s, keyed("a", "", "1"))
	s.Close()
	if err := os.CopyFS(older, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	s = open(t, data)
	defer s.Close()
	request(s, keyed("a", "", "2"))
	path, _ := exported(t, s, ExportOptions{})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "again")
	end := bytes.LastIndexByte(b[:len(b)-1], '\n') + 1 // without the trailer
	if err := os.WriteFile(again+partSuffix, b[:end], 0o600); err != nil {
		t.Fatal(err)
	}
	o := open(t, older)
	defer o.Close()
	request(o, keyed("a", "", "other"))
	request(o, keyed("a", "", "3"))
	if _, err := ExportFile(t.Context(), local{o}, again, ExportOptions{}); err == nil || !strings.Contains(err.Error(), "went on differently") {
		t.Errorf("have %v", err)
	}
	if _, err := ExportFile(t.Context(), local{s}, again, ExportOptions{}); err != nil {
		t.Error(err)
	}
}

// TestPartIsForItsOwner: the file is readable by its owner only, even if another user created
// it, and never a link to another file.
func TestPartIsForItsOwner(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	busy(t, s)
	path := filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(path+partSuffix, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ExportFile(t.Context(), local{s}, path, ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o600 {
		t.Errorf("have %v, %v", fi.Mode(), err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Symlink(elsewhere, path+partSuffix); err != nil {
		t.Fatal(err)
	}
	if _, err := ExportFile(t.Context(), local{s}, path, ExportOptions{Force: true}); err == nil {
		t.Error("through a link: no error")
	}
	if _, err := os.Lstat(elsewhere); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was written to: %v", err)
	}
}

// TestExportFull: the error of a full disk is reported once.
func TestExportFull(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	for range 3 {
		request(s, keyed("a", "", strings.Repeat("x", 100_000)))
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	_, err = Export(t.Context(), local{s}, full, ExportOptions{})
	if !errors.Is(err, syscall.ENOSPC) || strings.Count(err.Error(), "no space left") != 1 {
		t.Errorf("have %v", err)
	}
}
