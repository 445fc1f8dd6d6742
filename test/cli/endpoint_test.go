package cli

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"gorewind/test/daemontest"
)

// TestEndpoints: a daemon can be bound and reached by the name of a host, and by IPv6.
func TestEndpoints(t *testing.T) {
	hosts := map[string]string{"localhost": "127.0.0.1"}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		l.Close()
		hosts["[::1]"] = "[::1]"
	}
	for host, bound := range hosts {
		d := daemontest.StartCommand(t, exec.Command(daemontest.Binary(), "serve", "--in-memory", "--router", "tcp://"+host+":*", "--pub", "tcp://"+host+":*"))
		if !strings.HasPrefix(d.Router, "tcp://"+bound+":") {
			t.Errorf("%s: want %s bound, have %s", host, bound, d.Router)
		}
		byName := strings.NewReplacer(bound, host)
		named := daemontest.Shell{D: &daemontest.Daemon{Router: byName.Replace(d.Router)}}
		named.Want(t, "1\n", "publish", "s", "data")
		l := daemontest.StartClient(t, exec.Command(daemontest.Binary(), "subscribe", "--subscribe", byName.Replace(d.Pub), "--raw", "-n1"))
		first := make(chan string, 1)
		go func() { first <- l.Line() }() // ends with the first line
		daemontest.Await(t, func() bool {
			named.Run(t, "publish", "s", "data")
			return len(first) > 0
		}, l.Errors)
		if have := <-first; have != "data" {
			t.Errorf("%s: want data, have %q", host, have)
		}
		l.End()
	}
}
