# Targets: run build install uninstall test check fuzz torture disk soak model bench profile bench-peers deb deb-test clean
LENGTH ?= 10m
ROUNDS ?= 10
RACE ?=
CRASHES ?= 200000
PREFIX ?= /usr/local
DESTDIR ?=
BINARY ?= gorewind
LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

run: build
	./gorewind serve

build: need-build
	go build -o gorewind .

gorewind:
	$(MAKE) build

# Run make build first, so that the step that needs root only copies: root may have no Go.
# DESTDIR goes before every path, for packages.
share = $(DESTDIR)$(PREFIX)/share
bin = $(DESTDIR)$(PREFIX)/bin/gorewind
man = $(share)/man/man1/gorewind.1
bash = $(share)/bash-completion/completions/gorewind
zsh = $(share)/zsh/site-functions/_gorewind
fish = $(share)/fish/vendor_completions.d/gorewind.fish

install: $(BINARY)
	install -d $(dir $(bin) $(man) $(bash) $(zsh) $(fish))
	install -m 755 $(BINARY) $(bin)
	$(bin) man >$(man)
	$(bin) completion bash >$(bash)
	$(bin) completion zsh >$(zsh)
	$(bin) completion fish >$(fish)
	chmod 644 $(man) $(bash) $(zsh) $(fish)

uninstall:
	rm -f $(bin) $(man) $(bash) $(zsh) $(fish)

# Every change must pass this.
test: need-test check
	go test -race -timeout 18m ./...
	go test -run 'TestNthFault/rotation|TestErasureMeetsDamage' ./store/leveldb # see there

check: need-build
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	go run $(LINT) run ./...
	go mod tidy -diff

fuzz: need-build
	go test ./wire -run '^$$' -fuzz FuzzRequest -fuzztime $(LENGTH)
	go test ./wire -run '^$$' -fuzz FuzzReply -fuzztime $(LENGTH)
	go test ./wire -run '^$$' -fuzz FuzzRoundTrip -fuzztime $(LENGTH)
	TORTURE=$(LENGTH) go test $(RACE) -count 1 -timeout 0 -run TestHostilePorts -v ./test/torture

# Kills the daemon at random times under writers, then followers, then clients that use every
# request, each for LENGTH. Then fills its disk for as long, kills backups and exports in the
# middle, and measures the memory of large ones. RACE=-race builds the daemon and the harness
# with the race detector.
torture: need-build
	TORTURE=$(LENGTH) go test $(RACE) -count 1 -timeout 0 -run 'TestKill$$|TestFollow$$|TestChaos$$|TestFullDisk$$|TestCopiesKilled$$|TestCopiesMemory$$' -v ./test/torture

# Tries CRASHES crashes on a simulated disk, lets every I/O fail in turn, and damages every byte
# of a store in turn. Takes an hour or two.
disk: need-build
	CRASHES=$(CRASHES) go test -count 1 -timeout 0 -run TestCrashClones -v ./store/leveldb
	TORTURE=1s go test -count 1 -timeout 0 -run TestNthFault -v ./store/leveldb
	SWEEP=full go test -count 1 -timeout 0 -run TestP9Corruption -v ./store/leveldb

# Runs a mixed load for LENGTH and checks that the daemon does not leak.
soak: need-build
	TORTURE=$(LENGTH) go test $(RACE) -count 1 -timeout 0 -run 'TestSoak$$' -v ./test/torture

# Compares random operations with a model, in ROUNDS of 50,000: on the store, then over the wire.
model: need-build
	OPERATIONS=50000 go test -count $(ROUNDS) -failfast -timeout 0 -run 'TestConformance/disk/model' -v ./store/leveldb
	OPERATIONS=50000 go test $(RACE) -count $(ROUNDS) -failfast -timeout 0 -run TestModel -v ./test/torture

# Measures the parts with Go's benchmarks, then the daemon and the limits of this machine.
bench: build
	go test ./... -run '^$$' -bench . -benchmem
	./gorewind bench

# Profiles the daemon in the three main workloads, for go tool pprof: profile/*.
profile: build
	for w in pipelined clients replay; do \
		./gorewind bench --only $$w --events 3000000 --runs 1 --profile profile/$$w || exit 1; \
		go tool pprof -top -nodecount 15 gorewind profile/$$w/cpu.pprof || exit 1; \
	done

# Compares Gorewind with Redis Streams and NATS JetStream; writes bench/results.*.
bench-peers: need-build
	@command -v redis-server >/dev/null || sh .ci/install 'redis-server' redis-server
	cd bench && go run .

# The Debian package, build/gorewind_VERSION_ARCHITECTURE.deb.
deb: need-deb
	CGO_LDFLAGS='-Wl,-z,relro -Wl,-z,now' go build -buildmode=pie -trimpath -ldflags='-s -w' -o build/gorewind .
	sh packaging/deb build/gorewind build

# Installs, starts, upgrades, removes and purges the package in a small Debian of its own in a
# temporary directory. Needs root.
deb-test: deb need-deb-test
	DEB=$(CURDIR)/build/gorewind go test -count 1 -timeout 10m -run 'TestDeb' -v ./test/packaging

clean:
	rm -rf gorewind profile build

# Missing tools are installed on Debian and its derivatives; elsewhere they are named.
need-build: need-go
	@pkg-config --exists 'libzmq >= 4.2' 2>/dev/null || sh .ci/install \
		'libzmq 4.2 or newer with its headers, pkg-config, a C compiler' libzmq3-dev pkg-config gcc
need-go:
	@sh .ci/need-go
need-test: need-build
	@/usr/bin/python3 -c 'import zmq' 2>/dev/null || python3 -c 'import zmq' 2>/dev/null || sh .ci/install \
		'Python 3 with pyzmq' python3-zmq
	@/usr/bin/python3 -c 'import docutils' 2>/dev/null || python3 -c 'import docutils' 2>/dev/null || sh .ci/install \
		'Python 3 with docutils' python3-docutils
	@! command -v npm >/dev/null || test -d examples/node/node_modules || \
		npm ci --prefix examples/node --ignore-scripts --no-audit --no-fund --fetch-retries=0 >/dev/null || \
		echo 'Without the npm package zeromq, the example in JavaScript is not tested.' >&2
need-deb: need-build
	@command -v dpkg-shlibdeps >/dev/null || sh .ci/install 'the tools that make Debian packages' dpkg-dev
need-deb-test:
	@command -v debootstrap >/dev/null || sh .ci/install debootstrap debootstrap

.PHONY: run build install uninstall test check fuzz torture disk soak model bench profile bench-peers deb deb-test clean need-go need-build need-test need-deb need-deb-test
