package stream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// blame says who has to act, how sure that is, and what it was concluded from.
type blame struct {
	cause      string
	confidence float64
	why        string
}

// evidence is what is known of a failure. Step is how far the session was
// when it failed.
type evidence struct {
	class      string
	step       string
	addr       netip.Addr // that was dialled; invalid when there was none
	path       Path       // when it failed
	hostGone   bool       // the kernel, or a router, found nobody at the address
	noName     bool       // the name server says that there is no such name
	certTime   bool       // the certificate is refused for its dates
	trickle    bool       // silent, but packets of some kind still come
	probe      probeState // silent: whether the camera still takes connections
	starved    bool       // this board had no processor time when it mattered
	common     int        // cameras that went down with this one, without it; 0 is a fault of its own
	clockKnown bool       // our own clock is set
}

// gather reads what an error says.
func gather(err error, step string, addr netip.Addr, path Path) evidence {
	e := evidence{class: classify(err), step: step, addr: addr, path: path}
	e.hostGone = errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.EHOSTDOWN)
	if errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.ENETDOWN) {
		e.path.LinkDown = true
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok {
		e.noName = d.IsNotFound
	}
	e.certTime = isCertTime(err)
	return e
}

// answered tells whether the camera itself was heard, which clears the way to
// it and its power.
func (e evidence) answered() bool {
	switch {
	case e.class == ClassRefused:
		return true // a reset, or an RTSP answer
	case e.class == ClassNoMedia:
		return e.trickle || e.probe == probeAnswered
	}
	return e.step != StateResolving && e.step != StateConnecting && e.step != ""
}

// judge names the cause. The first line that holds counts; the order is from
// what is certain to what is likely.
func (e evidence) judge() blame {
	if e.starved && (e.class == ClassNoMedia || e.class == ClassTimeout) {
		return blame{CauseBoard, 0.8, "this board had no processor time for it"}
	}
	if e.answered() {
		return e.judgeAnswer()
	}
	switch {
	case e.path.LinkDown && e.path.Interface != "":
		return blame{CauseBoard, 0.95, "this board's own interface " + e.path.Interface + " has no signal"}
	case e.path.LinkDown:
		return blame{CauseBoard, 0.9, "this board has no way to that network"}
	case e.class == ClassDNS && e.noName:
		return blame{CauseNetwork, 0.8, "the name server does not know the name"}
	case e.class == ClassDNS:
		return blame{CauseNetwork, 0.9, "the name server does not answer"}
	case e.class == ClassNoMedia && e.probe == probeNone:
		return blame{CauseCamera, 0.5, "nothing at all comes over the open connection"}
	case e.path.OnLink && (e.hostGone || e.path.Neighbour == NeighbourMissing):
		return e.whom(blame{CausePower, 0.85, "on the same network nobody answers at its address: no power, or no cable"},
			blame{CausePower, 0.95, "on the same network nobody answers at their addresses: the switch or its power"})
	case e.hostGone:
		return e.whom(blame{CausePower, 0.7, "the last router finds nobody at its address: no power, or no cable"},
			blame{CauseNetwork, 0.8, "the last router finds none of them"})
	case e.path.OnLink && e.path.Neighbour == NeighbourThere:
		return e.whom(blame{CauseCamera, 0.8, "it answers on the wire (ARP) and takes no connection: it hangs, or a firewall is on it"},
			blame{CauseNetwork, 0.7, "they answer on the wire (ARP) and take no connection"})
	case e.path.OnLink && !e.path.Here:
		return e.whom(blame{CausePower, 0.5, "no answer on the same network; whether it still answers on the wire is not known yet"},
			blame{CausePower, 0.6, "no answer from any of them on the same network"})
	}
	return e.whom(blame{CauseNetwork, 0.6, "no answer from beyond the router: the link to there, or the camera's power"},
		blame{CauseNetwork, 0.9, "no answer from any of them: the link to there"})
}

// whom chooses by whether others failed with this one.
func (e evidence) whom(alone, together blame) blame {
	if e.common == 0 {
		return alone
	}
	together.why = fmt.Sprintf("%s (%d others went down with it)", together.why, e.common)
	return together
}

// judgeAnswer is of a camera that was heard.
func (e evidence) judgeAnswer() blame {
	switch {
	case e.class == ClassAuth:
		return blame{CauseCredentials, 0.95, "it refuses the user or the password"}
	case e.class == ClassTLS && e.certTime && !e.clockKnown:
		return blame{CauseBoard, 0.9, "this board's clock is not set, so no certificate is valid"}
	case e.class == ClassRefused && e.step == StateConnecting:
		return blame{CauseCamera, 0.9, "its machine answers, and nothing takes RTSP connections there"}
	case e.class == ClassNoMedia:
		return blame{CauseCamera, 0.9, "it still answers: its encoder or sensor has stopped"}
	case e.class == ClassTimeout:
		return blame{CauseCamera, 0.85, "it takes the connection and does not answer"}
	case e.class == ClassClosed:
		return blame{CauseCamera, 0.75, "it ends the connection itself"}
	}
	return blame{CauseCamera, 0.9, "it answers"}
}
