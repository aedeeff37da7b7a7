package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"kentongan/agent/report"
	"kentongan/agent/stream"
	"kentongan/agent/stream/decoder"
	"kentongan/agent/stream/streamtest"
)

// streamsWord begins the arguments of a process of our own that serves or reads
// streams until its standard input ends: server; or library, watcher or pictures, URL and
// how many.
const streamsWord = "streams-one"

func streamsChild(args []string) int {
	if err := runStreamsChild(args); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func runStreamsChild(args []string) error {
	if len(args) == 1 && args[0] == "server" {
		return serveStreams()
	}
	if len(args) != 3 {
		return errors.New("want server, or KIND URL N")
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	var stop func()
	switch args[0] {
	case "library":
		stop, err = readStreams(args[1], n)
	case "watcher", "pictures":
		stop, err = watchStreams(args[1], n, args[0] == "pictures")
	default:
		err = fmt.Errorf("no contestant %q", args[0])
	}
	if err != nil {
		return err
	}
	defer stop()
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func serveStreams() error {
	s, err := streamtest.Start(streamtest.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Println(s.URL())
	for {
		changed := s.Changed()
		if s.Publishing(streamtest.Path) {
			break
		}
		<-changed
	}
	fmt.Println("published")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// readStreams is the library's client that does nothing.
func readStreams(url string, n int) (stop func(), err error) {
	u, err := base.ParseURL(url)
	if err != nil {
		return nil, err
	}
	var all []*gortsplib.Client
	stop = func() {
		for _, c := range all {
			c.Close()
		}
	}
	for range n {
		tcp := gortsplib.TransportTCP
		c := &gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Transport: &tcp, OnPacketsLost: func(uint64) {}, OnDecodeError: func(error) {}}
		if err := c.Start2(); err != nil {
			return nil, err
		}
		all = append(all, c)
		desc, _, err := c.Describe(u)
		if err == nil {
			err = c.SetupAll(desc.BaseURL, desc.Medias)
		}
		if err == nil {
			c.OnPacketRTPAny(func(*description.Media, format.Format, *rtp.Packet) {})
			_, err = c.Play(nil)
		}
		if err != nil {
			stop()
			return nil, err
		}
	}
	return stop, nil
}

// plays tells when its stream plays and, where that is wanted, when its picture
// has been looked at.
type plays struct {
	once   sync.Once
	looked bool
	done   func()
}

func (p *plays) StreamChanged(s report.StreamState) {
	if s.State == stream.StatePlaying && (!p.looked || s.Picture != nil && s.Picture.Checked) {
		p.once.Do(p.done)
	}
}
func (*plays) StreamMeasured(report.StreamStats)  {}
func (*plays) StreamFound(string, stream.Finding) {}

// watchStreams is ours, with a contract for each stream, as a site would have
// it.
func watchStreams(url string, n int, pictures bool) (stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	var all, ready sync.WaitGroup
	site := stream.NewSite()
	log := slog.New(slog.DiscardHandler)
	var look stream.PictureConfig
	if pictures {
		eye := stream.NewEye(decoder.Find(), log)
		all.Go(func() { _ = eye.Run(ctx) })
		look = stream.PictureConfig{Eye: eye, Every: 5 * time.Second}
	}
	for i := range n {
		ready.Add(1)
		w, err := stream.New(stream.Config{
			Name: fmt.Sprintf("s%d", i), URL: url, Transport: stream.TransportTCP, Site: site, Picture: look,
			Expect: stream.Expect{Codec: stream.H264, Width: 1920, Height: 1080, FPS: 25, Bitrate: 4_000_000, GOP: 50},
		}, log, &plays{done: ready.Done, looked: pictures})
		if err != nil {
			cancel()
			return nil, err
		}
		all.Go(func() { _ = w.Run(ctx) })
	}
	ready.Wait()
	return func() { cancel(); all.Wait() }, nil
}
