package daemontest

import (
	"bufio"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ServingHTTP matches the address of a daemon's HTTP server in its log.
var ServingHTTP = regexp.MustCompile(`msg=serving .* http=([^ ]+)`)

// Web returns the response at a path of a daemon's HTTP server.
func (d *Daemon) Web(t testing.TB, path string) (status int, body string) {
	t.Helper()
	m := ServingHTTP.FindStringSubmatch(d.Log())
	if m == nil {
		t.Fatalf("it does not say where it serves HTTP:\n%s", d.Log())
	}
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + m[1] + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// Metrics returns the values of a daemon's metrics, by their names and labels.
func (d *Daemon) Metrics(t testing.TB) map[string]float64 {
	t.Helper()
	status, body := d.Web(t, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("%d\n%s", status, body)
	}
	values := make(map[string]float64)
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		values[line[:at]] = v
	}
	return values
}
