package load

import "crypto/rand"

// random fills b with octets that no compression makes shorter.
func random(b []byte) { _, _ = rand.Read(b) } // it never returns an error
