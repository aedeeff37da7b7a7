# Kentongan. `make help` lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# What a device asks over HTTP it asks with HTTP/1.1: 0.44 MiB of its armv6 program
# are net/http's HTTP/2, which nothing there needs.
DEVICE_TAGS := nethttpomithttp2
# What is called now and then is built without inlining, which makes the armv6
# program 0.7 MiB smaller; what runs for each record, packet or picture is not here.
DEVICE_SMALL := net/http net crypto/tls crypto/x509 encoding/asn1 encoding/xml regexp/syntax runtime/pprof gopkg.in/yaml.v3 \
	flag os/exec mime/multipart net/textproto net/url vendor/golang.org/x/net/... vendor/golang.org/x/text/... golang.org/x/mod/... \
	github.com/kardianos/service github.com/pion/... github.com/gorilla/websocket golang.org/x/net/... \
	kentongan/agent kentongan/agent/config kentongan/agent/statuspage kentongan/agent/kiosk/screen kentongan/agent/onvif kentongan/agent/doctor \
	kentongan/agent/appcheck kentongan/agent/enrol kentongan/agent/erase kentongan/agent/kiosk/printer kentongan/agent/update \
	kentongan/agent/alarm kentongan/agent/command kentongan/agent/kiosk kentongan/agent/sensor kentongan/hal/sensors kentongan/hal/sim \
	kentongan/hal/tpm kentongan/cmd/... kentongan/firmware/...
DEVICE_BUILD := -trimpath -tags $(DEVICE_TAGS) $(foreach p,$(DEVICE_SMALL),-gcflags=$(p)=-l)
# Two directories, with .git or without, give the same bytes; the version is in VERSION.
RELEASEFLAGS := -buildvcs=false -ldflags '$(LDFLAGS)'
CENTRE_TARGETS := amd64 arm64
DEVICE_TARGETS := linux-armv6 linux-armv7 linux-arm64 linux-amd64

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.PHONY: build
build: ## the programs for this machine, into bin/
	@[ -e bin/kentongan-demo ] || echo "building; the first time takes two to three minutes"
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/kentongan ./cmd/kentongan-centre ./cmd/kentongan-demo

.PHONY: demo
demo: build ## camera, button, spool, broker, centre and its page, on this machine
	@bin/kentongan-demo

.PHONY: test
test: tools ## every test, with the race detector; installs what it needs with apt
	go test -race -p 3 -timeout 20m $(TESTFLAGS) ./hal/rig ./agent/stream ./cmd/kentongan-demo ./... # the longest first: they wait, and others fill the time
	go test -C firmware/package ./...
	@echo "100,000 power cuts, 10,000 damaged spools and the labelled pictures, without the race detector, which makes them 3 to 20 times slower:"
	go test -timeout 10m -run 'TestPowerCuts|TestDamagedSpools|TestSample|TestHealthyHours' $(TESTFLAGS) ./agent/spool ./agent/stream/picture/proof

.PHONY: tools
tools: # what the tests run against: brokers, ffmpeg, a browser, an emulated machine
	@.ci/tools

.PHONY: chaos
chaos: tools ## the fault matrix of docs/reliability.md, counted, ten minutes; KENTONGAN_SEED repeats a run
	go run ./cmd/kentongan-demo/chaos -bound 10m

.PHONY: chaos-controls
chaos-controls: tools ## every negative control: the protection is taken out, and its test has to fail
	go run ./cmd/kentongan-demo/chaos -controls -bound 0

.PHONY: soak
soak: ## the long forms of the durability tests, 30 days under a fake clock, an hour for real; KENTONGAN_SEED repeats a run
	GOGC=$${GOGC:-1000} KENTONGAN_CUTS=$${KENTONGAN_CUTS:-3000000} KENTONGAN_SOAK=$${KENTONGAN_SOAK:-10m} go test -count=1 -timeout 6h -v -run 'Cut|Damaged|Model|Soak|Kill|Million|Backlog|Overtakes|Surroundings' ./agent/spool ./agent/uplink ./cmd/kentongan-demo
	KENTONGAN_SOAK=$${KENTONGAN_SOAK:-10m} go test -count=1 -timeout 1h -v -run ClusterKilled ./cmd/kentongan-centre/internal/ingest
	KENTONGAN_DAYS=$${KENTONGAN_DAYS:-30} go test -count=1 -timeout 3h -v -run TestDays ./cmd/kentongan-centre/internal/longrun
	KENTONGAN_SOAK=$${KENTONGAN_SOAK:-1h} go test -count=1 -timeout 7h -v -run FlatWithinAnHour ./cmd/kentongan-demo

.PHONY: fuzz
fuzz: ## every fuzz target for KENTONGAN_FUZZ (60s) each, an hour and a half, with a table of what they did
	@.ci/fuzz

.PHONY: rig
rig: tools ## the whole agent on emulated ARM boards: arm64 and armhf, 50 power cuts on each and 30 in updates, a disk that lies
	KENTONGAN_RIG_FULL=1 KENTONGAN_RIG_CUTS=$${KENTONGAN_RIG_CUTS:-50} KENTONGAN_RIG_UPDATE_CUTS=$${KENTONGAN_RIG_UPDATE_CUTS:-30} KENTONGAN_RIG_BOUND=$${KENTONGAN_RIG_BOUND:-150m} go test -count=1 -timeout 160m -v ./hal/rig

.PHONY: inits
inits: tools ## the service on OpenRC and on SysV init, in containers with Debian's own packages
	firmware/units/inits.sh
	KENTONGAN_INITS_TEST=1 go test -count=1 -timeout 20m -v -run 'TestInOpenRC|TestInSysV' ./firmware/units

.PHONY: image
image: ## a card's image for arm64 boards, dist/kentongan-arm64.img; KEYS=the key list; a quarter of an hour the first time
	@[ -n "$(KEYS)" ] || { echo 'name the key list: make image KEYS=keylist (docs/how-to/publish-a-version.md makes one)'; exit 1; }
	@mkdir -p dist
	VERSION=$(VERSION) firmware/image/build --keys $(KEYS) --out dist/kentongan-arm64.img

.PHONY: image-test
image-test: tools ## builds the card's image, boots it in an emulated machine, and takes it through a technician's day
	KENTONGAN_IMAGE_TEST=1 go test -count=1 -timeout 90m -v ./firmware/image

.PHONY: bench
bench: ## the benchmarks, beside what one would use instead
	@.ci/bench

.PHONY: budget
budget: ## size, memory, processor, start, bytes a day of the device program, beside Mosquitto and Telegraf; five minutes and the builds
	@.ci/bench budget-size,budget-start,budget-sites

.PHONY: bench-centre
bench-centre: ## the centre: records a second, processor time of its pages, a fleet of 10,000 against it
	@.ci/bench-centre

.PHONY: proof
proof: ## the labelled set of pictures: what each verdict finds and misses; some 15 minutes on two cores
	@go run ./agent/stream/picture/proof

.PHONY: console-pictures
console-pictures: tools ## the pictures of the centre's pages in docs/images, made anew in a browser
	go test -count=1 ./cmd/kentongan-centre/internal/console -run 'TestBrowserTour$$' -update

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi
	go vet ./...
	GOOS=linux GOARCH=arm GOARM=6 CGO_ENABLED=0 go vet ./cmd/kentongan/... ./agent/... ./hal/...
	go vet -tags rigguest ./hal/rig/...
	go run $(STATICCHECK) ./...
	cd agent/bench && go vet ./...
	cd firmware/package && go vet ./...

.PHONY: vuln
vuln: ## govulncheck, with its list of known faults from the network or made from its module
	@.ci/vuln

.PHONY: audit
audit: ## go mod verify, licences, the same bytes twice, and gosec with the exclusions of .golangci.yml; before a release
	@.ci/audit

.PHONY: cross
cross: $(addprefix dist/kentongan-,$(DEVICE_TARGETS)) $(addprefix dist/kentongan-boot-,$(DEVICE_TARGETS)) ## static device programs for each board, into dist/, with their sizes
	@ls -l $^ | awk '{printf "%-32s %6.2f MiB\n", $$NF, $$5/1048576}'

# FORCE, not .PHONY: a phony target takes no pattern rule, and go build knows
# better than make what is old.
.PHONY: FORCE
FORCE:
dist/kentongan-linux-%: FORCE
	CGO_ENABLED=0 GOOS=linux GOARCH=$(patsubst armv%,arm,$*) GOARM=$(patsubst armv%,%,$(filter armv%,$*)) \
		go build $(DEVICE_BUILD) $(RELEASEFLAGS) -o $@ ./cmd/kentongan

dist/kentongan-boot-linux-%: FORCE
	CGO_ENABLED=0 GOOS=linux GOARCH=$(patsubst armv%,arm,$*) GOARM=$(patsubst armv%,%,$(filter armv%,$*)) \
		go build $(DEVICE_BUILD) $(RELEASEFLAGS) -o $@ ./cmd/kentongan-boot

dist/kentongan-centre-linux-%: FORCE
	CGO_ENABLED=0 GOOS=linux GOARCH=$* go build -trimpath $(RELEASEFLAGS) -o $@ ./cmd/kentongan-centre

.PHONY: deb
deb: cross ## Debian packages for armel, armhf, arm64 and amd64, into dist/release; KEYS, RELEASE_KEY, NUMBER: docs/how-to/publish-a-version.md
	@VERSION='$(VERSION)' firmware/package/release.sh deb

.PHONY: release
release: cross $(addprefix dist/kentongan-centre-linux-,$(CENTRE_TARGETS)) ## all that is handed out, into dist/release: packages, programs, update bundle, SBOMs, signed checksums
	@VERSION='$(VERSION)' firmware/package/release.sh release

.PHONY: release-test
release-test: ## make release twice, in two directories: the same bytes; every file held against its checksum
	KENTONGAN_RELEASE=1 go test -C firmware/package -count=1 -timeout 60m -v -run TestRelease .

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
