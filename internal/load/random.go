package load

import "crypto/rand"

// random fills b with incompressible data.
func random(b []byte) { _, _ = rand.Read(b) } // it never returns an error
