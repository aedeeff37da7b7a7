package onviftest

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// Namespaces, as the specifications print them.
const (
	soapNS   = "http://www.w3.org/2003/05/soap-envelope"
	deviceNS = "http://www.onvif.org/ver10/device/wsdl"
	mediaNS  = "http://www.onvif.org/ver10/media/wsdl"
	media2NS = "http://www.onvif.org/ver20/media/wsdl"
	schemaNS = "http://www.onvif.org/ver10/schema"
	digestNS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
	base64NS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)

// envelope is SOAP 1.2 as a request of ONVIF has to be.
type envelope struct {
	XMLName xml.Name `xml:"http://www.w3.org/2003/05/soap-envelope Envelope"`
	Header  struct {
		Security *security   `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd Security"`
		Others   []otherHead `xml:",any"`
	} `xml:"http://www.w3.org/2003/05/soap-envelope Header"`
	Body struct {
		Ops []operation `xml:",any"`
	} `xml:"http://www.w3.org/2003/05/soap-envelope Body"`
}

type otherHead struct {
	XMLName        xml.Name
	MustUnderstand string `xml:"http://www.w3.org/2003/05/soap-envelope mustUnderstand,attr"`
}

type security struct {
	MustUnderstand string `xml:"http://www.w3.org/2003/05/soap-envelope mustUnderstand,attr"`
	Token          struct {
		Username string `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd Username"`
		Password struct {
			Type  string `xml:"Type,attr"`
			Value string `xml:",chardata"`
		} `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd Password"`
		Nonce struct {
			Encoding string `xml:"EncodingType,attr"`
			Value    string `xml:",chardata"`
		} `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd Nonce"`
		Created string `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd Created"`
	} `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd UsernameToken"`
}

// operation is all that the operations used here have in their requests. The
// children's namespaces are checked by op.
type operation struct {
	XMLName xml.Name
	Inner   []byte `xml:",innerxml"`

	IncludeCapability *bool    `xml:"http://www.onvif.org/ver10/device/wsdl IncludeCapability"`
	Category          []string `xml:"http://www.onvif.org/ver10/device/wsdl Category"`
	Types             []string `xml:"http://www.onvif.org/ver20/media/wsdl Type"`
	Protocol2         string   `xml:"http://www.onvif.org/ver20/media/wsdl Protocol"`
	Token2            string   `xml:"http://www.onvif.org/ver20/media/wsdl ProfileToken"`
	Token             string   `xml:"http://www.onvif.org/ver10/media/wsdl ProfileToken"`
	Setup             *struct {
		Stream   string `xml:"http://www.onvif.org/ver10/schema Stream"`
		Protocol string `xml:"http://www.onvif.org/ver10/schema Transport>Protocol"`
	} `xml:"http://www.onvif.org/ver10/media/wsdl StreamSetup"`
}

// op is an operation that a service knows.
type op struct {
	ns   string
	open bool // access class PRE_AUTH (ONVIF Core, 5.9.4.3)
	do   func(c *Camera, q operation) (string, *fault)
}

// fault is a SOAP fault to be.
type fault struct{ code, subcode, reason string }

var notAuthorized = &fault{"s:Sender", "ter:NotAuthorized", "Sender not Authorized"}

// maxRequest bounds a request, in bytes.
const maxRequest = 64 << 10

// serve answers the operations of one service.
func (c *Camera) serve(ops map[string]op) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
		if err != nil {
			return // the client has gone
		}
		var env envelope
		if err := xml.Unmarshal(body, &env); err != nil || len(env.Body.Ops) != 1 {
			c.violatef("no SOAP 1.2 envelope with one operation: %v: %s", err, body)
			c.fault(w, http.StatusBadRequest, &fault{"s:Sender", "ter:WellFormed", "not well formed"})
			return
		}
		q := env.Body.Ops[0]
		name := q.XMLName.Local
		c.mu.Lock()
		c.requests[name]++
		c.mu.Unlock()
		o, known := ops[name]
		if !known || c.o.NoServices && name == "GetServices" {
			c.fault(w, http.StatusInternalServerError, &fault{"s:Receiver", "ter:ActionNotSupported", "no such operation"})
			return
		}
		if c.o.Answer != nil && c.o.Answer(name, w, r) {
			return
		}
		if f := c.check(r, &env, o); f != nil {
			c.fault(w, http.StatusBadRequest, f)
			return
		}
		if !o.open && !c.allowed(w, r, &env) {
			return
		}
		answer, f := o.do(c, q)
		if f != nil {
			c.fault(w, http.StatusInternalServerError, f)
			return
		}
		reply(w, http.StatusOK, fmt.Sprintf(`<r:%sResponse xmlns:r="%s">%s</r:%sResponse>`, name, o.ns, answer, name))
	}
}

// check holds a request to SOAP 1.2 over HTTP, and to the operation's name.
func (c *Camera) check(r *http.Request, env *envelope, o op) *fault {
	bad := func(format string, args ...any) *fault {
		c.violatef(format, args...)
		return &fault{"s:Sender", "ter:WellFormed", fmt.Sprintf(format, args...)}
	}
	q := env.Body.Ops[0]
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		return bad("method %s", r.Method)
	case err != nil || kind != "application/soap+xml":
		return bad("content type %q, want application/soap+xml (RFC 3902)", r.Header.Get("Content-Type"))
	case !strings.EqualFold(params["charset"], "utf-8"):
		return bad("charset %q", params["charset"])
	case q.XMLName.Space != o.ns:
		return bad("%s in namespace %q, want %q", q.XMLName.Local, q.XMLName.Space, o.ns)
	case params["action"] != o.ns+"/"+q.XMLName.Local:
		return bad("action %q for %s", params["action"], q.XMLName.Local)
	case env.Header.Security != nil && env.Header.Security.MustUnderstand != "1" && env.Header.Security.MustUnderstand != "true":
		return bad("Security without mustUnderstand")
	}
	for _, h := range env.Header.Others {
		if h.MustUnderstand == "1" || h.MustUnderstand == "true" {
			return &fault{"s:MustUnderstand", "", h.XMLName.Local + " is not understood"}
		}
	}
	return nil
}

// allowed checks who asks, and answers when he may not.
func (c *Camera) allowed(w http.ResponseWriter, r *http.Request, env *envelope) bool {
	if c.o.Username == "" {
		return true
	}
	if c.o.HTTPDigest {
		if c.digestGood(r) {
			return true
		}
		c.mu.Lock()
		c.count++
		c.nonce = fmt.Sprintf("nonce-%d", c.count)
		nonce := c.nonce
		c.mu.Unlock()
		w.Header().Add("WWW-Authenticate", `Basic realm="camera"`)
		w.Header().Add("WWW-Authenticate", fmt.Sprintf(`Digest realm="camera,north", nonce="%s", qop="auth", opaque="o"`, nonce))
		w.WriteHeader(http.StatusUnauthorized)
		return false
	}
	if why := c.tokenWrong(env.Header.Security); why != "" {
		c.fault(w, http.StatusBadRequest, &fault{notAuthorized.code, notAuthorized.subcode, why})
		return false
	}
	return true
}

// tokenAge is how far a token's Created may be from the camera's clock. The
// profile recommends 5 min; cameras are stricter.
const tokenAge = 5 * time.Second

// tokenWrong checks a username token as the profile says: digest, age, and a
// nonce that was not used before.
func (c *Camera) tokenWrong(s *security) string {
	if s == nil {
		return "no user"
	}
	t := s.Token
	if t.Password.Type != digestNS || t.Nonce.Encoding != base64NS {
		c.violatef("password type %q, nonce encoding %q", t.Password.Type, t.Nonce.Encoding)
	}
	nonce, err := base64.StdEncoding.DecodeString(t.Nonce.Value)
	created, terr := time.Parse(time.RFC3339Nano, t.Created)
	if err != nil || terr != nil || len(nonce) < 8 {
		c.violatef("nonce %q, created %q", t.Nonce.Value, t.Created)
		return "malformed"
	}
	sum := sha1.Sum([]byte(string(nonce) + t.Created + c.o.Password))
	c.mu.Lock()
	again := c.nonces[t.Nonce.Value]
	c.nonces[t.Nonce.Value] = true
	c.mu.Unlock()
	if again {
		c.violatef("nonce %q used twice", t.Nonce.Value)
		return "replay"
	}
	if age := time.Now().Add(c.o.Clock).Sub(created); age.Abs() > tokenAge {
		return "expired"
	}
	if t.Username != c.o.Username || t.Password.Value != base64.StdEncoding.EncodeToString(sum[:]) {
		return "Sender not Authorized"
	}
	return ""
}

// digestGood checks HTTP digest (RFC 7616 with MD5 and qop auth).
func (c *Camera) digestGood(r *http.Request) bool {
	h, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Digest ")
	if !ok {
		if r.Header.Get("Authorization") != "" {
			c.violatef("authorization %q", r.Header.Get("Authorization"))
		}
		return false
	}
	p := map[string]string{}
	for part := range strings.SplitSeq(h, ", ") {
		k, v, _ := strings.Cut(part, "=")
		p[k] = strings.Trim(v, `"`)
	}
	c.mu.Lock()
	good := p["nonce"] != "" && p["nonce"] == c.nonce
	if c.o.FreshNonces {
		c.nonce = ""
	}
	c.mu.Unlock()
	if !good {
		return false
	}
	ha1 := hash(c.o.Username + ":" + p["realm"] + ":" + c.o.Password)
	ha2 := hash(r.Method + ":" + r.URL.RequestURI())
	want := hash(strings.Join([]string{ha1, p["nonce"], p["nc"], p["cnonce"], p["qop"], ha2}, ":"))
	return p["username"] == c.o.Username && p["uri"] == r.URL.RequestURI() && p["response"] == want
}

func hash(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func (c *Camera) fault(w http.ResponseWriter, status int, f *fault) {
	sub := ""
	if f.subcode != "" {
		sub = "<s:Subcode><s:Value>" + f.subcode + "</s:Value></s:Subcode>"
	}
	reply(w, status, fmt.Sprintf(`<s:Fault xmlns:ter="http://www.onvif.org/ver10/error"><s:Code><s:Value>%s</s:Value>%s</s:Code><s:Reason><s:Text xml:lang="en">%s</s:Text></s:Reason></s:Fault>`,
		f.code, sub, text(f.reason)))
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/soap+xml; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<s:Envelope xmlns:s="%s" xmlns:tt="%s"><s:Body>%s</s:Body></s:Envelope>`, soapNS, schemaNS, body)
}

// text is s as it stands in XML.
func text(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
