package streamtest

import (
	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/pion/rtp"
)

// The methods of this file are called by gortsplib.

// OnConnOpen remembers a connection, so that Kick can cut it.
func (s *Server) OnConnOpen(ctx *gortsplib.ServerHandlerOnConnOpenCtx) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[ctx.Conn] = struct{}{}
}

// OnConnClose forgets a connection.
func (s *Server) OnConnClose(ctx *gortsplib.ServerHandlerOnConnCloseCtx) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, ctx.Conn)
}

// OnSessionClose forgets a reader, or the stream of a publisher.
func (s *Server) OnSessionClose(ctx *gortsplib.ServerHandlerOnSessionCloseCtx) {
	s.mu.Lock()
	var stream *gortsplib.ServerStream
	for path, src := range s.streams {
		if src.publisher == ctx.Session {
			stream = src.stream
			delete(s.streams, path)
		}
	}
	delete(s.readers, ctx.Session)
	s.changedLocked()
	s.mu.Unlock()
	if stream != nil {
		stream.Close()
	}
}

// OnDescribe says what there is to read.
func (s *Server) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return s.find(ctx.Conn, ctx.Request, ctx.Path)
}

// OnAnnounce takes a publisher; a new one replaces the one before, as a camera
// that was started again would.
func (s *Server) OnAnnounce(ctx *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	if len(s.o.Medias) > 0 {
		return &base.Response{StatusCode: base.StatusForbidden}, nil
	}
	stream := &gortsplib.ServerStream{Server: s.rtsp, Desc: ctx.Description}
	if err := stream.Initialize(); err != nil {
		return &base.Response{StatusCode: base.StatusBadRequest}, err
	}
	s.mu.Lock()
	old, had := s.streams[ctx.Path]
	s.streams[ctx.Path] = source{stream, ctx.Session}
	s.changedLocked()
	s.mu.Unlock()
	if had {
		old.stream.Close()
		old.publisher.Close()
	}
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnSetup lets a publisher through and checks a reader.
func (s *Server) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if ctx.Session.State() == gortsplib.ServerSessionStatePreRecord {
		return &base.Response{StatusCode: base.StatusOK}, nil, nil
	}
	return s.find(ctx.Conn, ctx.Request, ctx.Path)
}

func (s *Server) find(c *gortsplib.ServerConn, req *base.Request, path string) (*base.Response, *gortsplib.ServerStream, error) {
	if s.o.Username != "" && !c.VerifyCredentials(req, s.o.Username, s.o.Password) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	src, ok := s.streams[path]
	if !ok {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, src.stream, nil
}

// OnPlay counts a reader.
func (s *Server) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers[ctx.Session] = struct{}{}
	s.changedLocked()
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnStreamWriteError counts a packet that a reader does not get.
func (s *Server) OnStreamWriteError(*gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped++
}

// OnRecord passes on what the publisher sends.
func (s *Server) OnRecord(ctx *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	s.mu.Lock()
	var stream *gortsplib.ServerStream
	for _, src := range s.streams {
		if src.publisher == ctx.Session {
			stream = src.stream
		}
	}
	s.mu.Unlock()
	if stream == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil
	}
	ctx.Session.OnPacketRTPAny(func(m *description.Media, _ format.Format, p *rtp.Packet) {
		_ = stream.WritePacketRTP(m, p) // a reader that is too slow is cut by the server
	})
	return &base.Response{StatusCode: base.StatusOK}, nil
}
