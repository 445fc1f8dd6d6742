package wire

import "testing"

func TestErrorText(t *testing.T) {
	e := Errorf(UnknownID, "ask for another", "no such id").With(Hex("id", ID(7)), Hex("stream", []byte("s\xff")))
	want := "ERROR UNKNOWN-ID id=0000000000000007 stream=73ff ; no such id; ask for another"
	if have := text(e.Frames()); have != want {
		t.Errorf("want %q\nhave %q", want, have)
	}
	_, refused := ParseRequest(frames("QUERY", "s", "", "", "caf\xc3\xa9\n"))
	wantASCII(t, refused)
}
